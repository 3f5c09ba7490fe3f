"""A directory as an object store: what one machine uses, with nothing to install."""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from trainer.contract.objects.direct import write
from trainer.contract.objects.store import (
    AlreadyExists,
    NoSuchObject,
    Piece,
    StoredObject,
    StoreUnavailable,
    check_key,
)

PIECE = 1 << 20
STAGING = ".staging"
"""Where half-written objects live, on the same file system as the rest; listings leave it out."""
MOVES = 100
"""How often an object is moved to its folder when whoever deletes the last one there removes that."""
GONE = (FileNotFoundError, NotADirectoryError)


@dataclass(frozen=True)
class LocalStore:
    """Objects are files below `root`. Writes go to a staging file, are synced, then moved in place."""

    root: Path

    def put(self, key: str, data: bytes) -> None:
        self._place(key, [data], os.replace)

    def create(self, key: str, data: bytes) -> None:
        def link(staged: Path, target: Path) -> None:
            try:
                os.link(staged, target)  # fails when the name exists: one winner, always whole
            except FileExistsError as error:
                raise AlreadyExists(key) from error

        self._place(key, [data], link)

    def upload(self, key: str, path: Path) -> None:
        with path.open("rb") as source:
            self._place(key, iter(lambda: source.read(PIECE), b""), os.replace)

    def write(self, key: str, pieces: Iterable[Piece]) -> None:
        self._place(key, pieces, os.replace)

    def get(self, key: str, start: int = 0) -> bytes:
        return b"".join(self.stream(key, start))

    def download(self, key: str, path: Path) -> None:
        _write(path, self.stream(key))

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        path = self._path(key)
        with self._readable():
            try:
                file = path.open("rb")
            except (*GONE, IsADirectoryError) as error:
                raise NoSuchObject(key) from error
        return self._pieces(file, start, stop)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        inside, _, _ = prefix.rpartition("/")
        folder = self._path(inside) if inside else self.root
        found = []
        with self._readable():
            for directory, folders, names in os.walk(folder, onerror=_unless_gone):
                if Path(directory) == self.root and STAGING in folders:
                    folders.remove(STAGING)
                for name in names:
                    path = Path(directory, name)
                    key = path.relative_to(self.root).as_posix()
                    if key.startswith(prefix):
                        with contextlib.suppress(*GONE):  # deleted since it was listed
                            found.append(StoredObject(key, path.stat().st_size))
        yield from sorted(found)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._writable(), contextlib.suppress(*GONE):
            path.unlink()
        with contextlib.suppress(OSError):  # a folder that is not empty stays
            for folder in path.parents[: key.count("/")]:
                folder.rmdir()

    def presigned(self, key: str, lasting: timedelta) -> str | None:
        """A directory has no URLs."""
        return None

    def sweep(self, older_than: timedelta) -> int:
        began_before = time.time() - older_than.total_seconds()
        swept = 0
        with self._writable(), contextlib.suppress(*GONE):
            for entry in os.scandir(self.root / STAGING):
                with contextlib.suppress(*GONE):  # finished since it was listed
                    if entry.stat().st_mtime < began_before:
                        os.unlink(entry.path)
                        swept += 1
        return swept

    def _path(self, key: str) -> Path:
        check_key(key)
        return self.root.joinpath(*key.split("/"))

    def _place(self, key: str, pieces: Iterable[Piece], move: Callable[[Path, Path], None]) -> None:
        """Write a staging file and `move` it in place; afterwards the object's name is durable."""
        target = self._path(key)
        staged = self.root / STAGING / secrets.token_hex(16)
        with self._writable():
            _make_directory(staged.parent)
            try:
                _write(staged, pieces)
                _into_folder(staged, target, move)
            finally:
                with contextlib.suppress(*GONE):  # moved in place, or swept
                    staged.unlink()

    def _pieces(self, file: BinaryIO, start: int, stop: int | None) -> Iterator[bytes]:
        with file, self._readable():
            at = file.seek(start)
            while piece := file.read(PIECE if stop is None else min(PIECE, max(stop - at, 0))):
                yield piece
                at += len(piece)

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(f"cannot read below {self.root}: {error}") from error

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(f"cannot write below {self.root}: {error}") from error


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, GONE):
        raise error


def _write(path: Path, pieces: Iterable[Piece]) -> None:
    with path.open("wb", buffering=0) as file:
        for piece in pieces:
            write(file, piece)
        os.fsync(file.fileno())


def _into_folder(staged: Path, target: Path, move: Callable[[Path, Path], None]) -> None:
    for left in reversed(range(MOVES)):
        try:
            _make_directory(target.parent)
            move(staged, target)
            break
        except (FileNotFoundError, FileExistsError):  # it went, or came and went, meanwhile
            if not left:
                raise
    with contextlib.suppress(*GONE):  # deleted since, and its folder with it
        _sync_directory(target.parent)


def _make_directory(path: Path) -> None:
    """With its parents, each of them durable in the one above."""
    if not path.is_dir():
        _make_directory(path.parent)
        path.mkdir(exist_ok=True)
        _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
