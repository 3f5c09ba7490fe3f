"""What goes past the page cache is what was handed over, however it lies in memory and in the file."""

import errno
import mmap
import os
from pathlib import Path

import pytest

from trainer.contract.objects import direct
from trainer.contract.objects.direct import LEAST
from trainer.contract.objects.local import LocalStore

SIZE = LEAST + 3 * mmap.PAGESIZE + 7


@pytest.fixture(scope="module")
def ground() -> memoryview:
    """Random bytes that begin with a page."""
    ground = memoryview(mmap.mmap(-1, SIZE + 2 * mmap.PAGESIZE))
    ground[:] = os.urandom(len(ground))
    return ground


@pytest.fixture
def past(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of what was written with O_DIRECT."""
    sizes: list[int] = []

    def seen(descriptor: int, data: memoryview) -> int:
        sizes.append(os.writev(descriptor, [data]))
        return sizes[-1]

    monkeypatch.setattr(os, "write", seen)
    return sizes


@pytest.mark.parametrize("head", [0, 1, 600, mmap.PAGESIZE, mmap.PAGESIZE + 8])
@pytest.mark.parametrize("shift", [0, 1, 512])
def test_what_is_read_is_what_was_written(
    tmp_path: Path, ground: memoryview, head: int, shift: int
) -> None:
    """`shift`: how many bytes further in a page the piece lies in memory than in the file."""
    begin = (head + shift) % mmap.PAGESIZE
    body = ground[begin : begin + SIZE]
    store = LocalStore(tmp_path)
    store.write("some/thing", [b"h" * head, body, b"tail"])
    assert store.get("some/thing") == b"h" * head + body.tobytes() + b"tail"


def test_whole_pages_go_past_the_cache_where_the_file_system_can(
    tmp_path: Path, ground: memoryview, past: list[int]
) -> None:
    try:
        os.close(os.open(tmp_path / "try", os.O_WRONLY | os.O_CREAT | direct.DIRECT))
    except OSError:
        pytest.skip("this file system has no O_DIRECT")
    store = LocalStore(tmp_path)
    store.write("thing", [b"h" * 600, ground[600 : 600 + SIZE]])
    assert sum(past) == (SIZE - (mmap.PAGESIZE - 600)) // mmap.PAGESIZE * mmap.PAGESIZE
    assert store.get("thing") == b"h" * 600 + ground[600 : 600 + SIZE].tobytes()


def test_what_is_small_goes_through_it(tmp_path: Path, ground: memoryview, past: list[int]) -> None:
    LocalStore(tmp_path).write("thing", [ground[: LEAST - 1]])
    assert past == []


def test_a_full_disk_is_not_taken_for_a_file_system_that_cannot(
    tmp_path: Path, ground: memoryview, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", full)
    with (tmp_path / "file").open("wb", buffering=0) as file, pytest.raises(OSError, match="full"):
        direct.write(file, ground[:SIZE])


def test_a_file_system_that_cannot_gets_all_of_it_through_the_cache(
    tmp_path: Path, ground: memoryview, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(descriptor: int, data: memoryview) -> int:
        if len(data) < SIZE // 2:
            raise OSError(errno.EINVAL, "not here")
        return os.writev(descriptor, [data[: len(data) // 2 // mmap.PAGESIZE * mmap.PAGESIZE]])

    monkeypatch.setattr(os, "write", half)
    LocalStore(tmp_path).write("thing", [ground[:SIZE]])
    assert LocalStore(tmp_path).get("thing") == ground[:SIZE].tobytes()
