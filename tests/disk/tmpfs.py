"""A small disk of a test's own, which can be filled up and made read-only."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

PIECE = 1 << 12
"""Bytes; less than this stays free on a full disk."""


@dataclass(frozen=True)
class Disk:
    """A mounted one."""

    folder: Path

    @property
    def filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        with self.filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"f" * PIECE)

    def free(self) -> None:
        self.filler.unlink(missing_ok=True)

    def remount(self, *, writable: bool) -> None:
        """Fails while a file is open for writing."""
        _run("mount", "-o", f"remount,{'rw' if writable else 'ro'}", str(self.folder))


@contextmanager
def disk(folder: Path, *, megabytes: int) -> Iterator[Disk]:
    """One at `folder`. Skips the test where nobody may mount."""
    folder.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    try:
        yield Disk(folder)
    finally:
        _run("umount", "--lazy", str(folder))


def _run(*command: str) -> None:
    if os.geteuid() != 0:
        raise PermissionError("only root may mount")
    subprocess.run(command, check=True, capture_output=True)
