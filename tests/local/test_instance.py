"""A data directory has one service, and says which."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.local.failure import CannotStart
from service.local.instance import announce, held, holder, prepare

HOLD = """
import sys
from pathlib import Path
from service.local.instance import announce, held, prepare
places = prepare(Path(sys.argv[1]))
with held(places):
    announce(places, "http://127.0.0.1:7")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_service_is_told_who_the_first_is(tmp_path: Path) -> None:
    places = prepare(tmp_path / "data")
    with held(places):
        announce(places, "http://127.0.0.1:9")
        with pytest.raises(CannotStart, match=rf"process {os.getpid()}, at http://127.0.0.1:9"):
            held(prepare(tmp_path / "data")).__enter__()


def test_a_second_service_is_refused_before_the_first_knows_its_address(tmp_path: Path) -> None:
    places = prepare(tmp_path)
    with held(places), pytest.raises(CannotStart, match="still starting"):
        held(places).__enter__()


def test_a_directory_is_free_again_when_its_service_ends(tmp_path: Path) -> None:
    places = prepare(tmp_path)
    with held(places):
        announce(places, "http://127.0.0.1:9")
    assert holder(places) is None
    with held(places):
        pass


def test_a_killed_service_does_not_lock_its_directory(tmp_path: Path) -> None:
    places = prepare(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(CannotStart, match=f"process {child.pid}"):
            held(places).__enter__()
        child.kill()
    with held(places):
        assert holder(places) is None


def test_what_lies_in_a_data_directory_is_its_owners_alone(tmp_path: Path) -> None:
    assert prepare(tmp_path / "new" / "data").data_dir.stat().st_mode & 0o077 == 0


def test_a_path_that_cannot_be_a_directory_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="--data-dir"):
        prepare(tmp_path / "file" / "data")
