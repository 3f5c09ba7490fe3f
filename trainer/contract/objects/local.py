"""A directory as an object store: what one machine uses, with nothing to install."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainer.contract.objects.store import (
    AlreadyExists,
    NoSuchObject,
    StoredObject,
    StoreError,
    StoreUnavailable,
)

PIECE = 1 << 20
STAGING = ".staging"
"""Where half-written objects live, on the same file system as the rest; listings leave it out."""


@dataclass(frozen=True)
class LocalStore:
    """Objects are files below `root`. Writes go to a staging file, are synced, then moved in place."""

    root: Path

    def put(self, key: str, data: bytes) -> None:
        with self._staged(key) as (staged, target):
            _write(staged, [data])
            os.replace(staged, target)

    def create(self, key: str, data: bytes) -> None:
        with self._staged(key) as (staged, target):
            _write(staged, [data])
            try:
                os.link(staged, target)  # fails when the name exists: one winner, always whole
            except FileExistsError as error:
                raise AlreadyExists(key) from error

    def upload(self, key: str, path: Path) -> None:
        with self._staged(key) as (staged, target):
            _write(staged, _pieces(path))
            os.replace(staged, target)

    def get(self, key: str, start: int = 0) -> bytes:
        try:
            with self._path(key).open("rb") as file:
                file.seek(start)
                return file.read()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NoSuchObject(key) from error

    def download(self, key: str, path: Path) -> None:
        _write(path, self.stream(key))

    def stream(self, key: str) -> Iterator[bytes]:
        path = self._path(key)
        if not path.is_file():
            raise NoSuchObject(key)
        return _pieces(path)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        inside, _, _ = prefix.rpartition("/")
        folder = self._path(inside) if inside else self.root
        found = []
        for directory, _, names in os.walk(folder):
            for name in names:
                path = Path(directory, name)
                key = path.relative_to(self.root).as_posix()
                if key.startswith(prefix) and not key.startswith(STAGING):
                    with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                        found.append(StoredObject(key, path.stat().st_size))
        yield from sorted(found)

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts:
            raise StoreError(f"'{key}' is not a key of this store")
        return self.root.joinpath(*parts)

    @contextlib.contextmanager
    def _staged(self, key: str) -> Iterator[tuple[Path, Path]]:
        """A fresh staging file's path and the object's; afterwards the object's name is durable."""
        target = self._path(key)
        staged = self.root / STAGING / secrets.token_hex(16)
        try:
            staged.parent.mkdir(parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield staged, target
                _sync_directory(target.parent)
            finally:
                staged.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"cannot write below {self.root}: {error}") from error


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _write(path: Path, pieces: Iterator[bytes] | list[bytes]) -> None:
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
