"""What `residual doctor` looks at, and what it finds. Each check is a function from one to the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from service.local.instance import Places
from service.settings import Settings

Status = Literal["ok", "warning", "broken"]


@dataclass(frozen=True)
class Finding:
    """What came of one check."""

    status: Status
    said: str
    """What was seen, in a sentence without secrets."""
    remedy: str | None = None
    """What to do about it."""


def ok(said: str) -> Finding:
    return Finding("ok", said)


def warning(said: str, remedy: str) -> Finding:
    return Finding("warning", said, remedy)


def broken(said: str, remedy: str) -> Finding:
    return Finding("broken", said, remedy)


class Descriptors(NamedTuple):
    """Files that a process may have open."""

    now: int
    most: int
    """To which it may be raised without more rights."""


@dataclass(frozen=True)
class Machine:
    """This machine, as the checks see it."""

    environ: Mapping[str, str]
    lock: Path
    """requirements.lock; a program that was installed otherwise has none."""
    installed: Callable[[str], str]
    """The version of a package. Raises PackageNotFoundError."""
    compiled: Callable[[str], bool]
    """Whether a package has compiled bytecode."""
    free: Callable[[Path], int]
    """Bytes that are free where a path lies."""
    shared_memory: Path
    temp: Path
    """Where Ray's sockets go."""
    descriptors: Descriptors
    gpus: Callable[[], int]
    """That torch sees. Takes seconds. Raises OSError."""


@dataclass(frozen=True)
class Case:
    """All that is looked at."""

    settings: Settings
    machine: Machine

    @property
    def places(self) -> Places:
        return Places(self.settings.data_dir.expanduser().resolve())


Check = Callable[[Case], Finding]
"""Never raises; what cannot be looked at is a finding."""
