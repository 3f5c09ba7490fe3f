"""Checks of the machine: the program's own packages, room, and limits. Used by `service.doctor.checks`."""

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from service.doctor.finding import Case, Finding, broken, ok, warning
from service.local.ray_record import TEMP_PREFIX

MATTER = ("ray", "torch", "torchvision", "fastapi", "sqlalchemy", "pydantic", "boto3")
"""Packages whose versions decide how the service behaves."""
COMPILED = ("ray", "torch")
LEAST_BYTES = 1 << 30
ENOUGH_BYTES = 10 << 30
"""A ResNet-50's checkpoint with its optimizer takes 200 MB, and several are kept of each job."""
RAYS_SHARED_MEMORY = 256 << 20
"""Bytes of Ray's object store, and a little."""
LONGEST_SOCKET = 107
SESSION = "session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store"
FEW_FILES, ENOUGH_FILES = 1024, 4096


def versions(case: Case) -> Finding:
    """Those of the lock, with which everything was tried."""
    try:
        locked = dict(_locked(case.machine.lock))
    except OSError:
        return ok("there is no requirements.lock beside the program; its own requirements count")
    wrong = []
    for name in MATTER:
        try:
            found = case.machine.installed(name)
        except PackageNotFoundError:
            return broken(f"{name} is not installed", "run `make setup`")
        if name in locked and found.split("+")[0] != locked[name]:
            wrong.append(f"{name} {found} in place of {locked[name]}")
    if wrong:
        return warning(f"other versions than were tried: {', '.join(wrong)}", "run `make setup`")
    return ok(f"the lock's: ray {locked.get('ray')}, torch {locked.get('torch')}")


def bytecode(case: Case) -> Finding:
    """Without it each of Ray's processes compiles thousands of files when it starts."""
    mend = "run `.venv/bin/python -m compileall -q .venv/lib` once, as `make setup` does"
    missing = [name for name in COMPILED if not case.machine.compiled(name)]
    if missing:
        return warning(f"{', '.join(missing)}: no compiled bytecode; Ray starts slowly", mend)
    if case.machine.environ.get("PYTHONDONTWRITEBYTECODE"):
        return warning("PYTHONDONTWRITEBYTECODE is set", "unset it: processes start faster with it")
    return ok("compiled")


def disk(case: Case) -> Finding:
    return _room(case, _existing(case.places.data_dir), "the data directory")


def temp(case: Case) -> Finding:
    """Ray keeps logs and sockets there."""
    return _room(case, case.machine.temp, "temporary files")


def _room(case: Case, path: Path, what: str) -> Finding:
    try:
        free = case.machine.free(path)
    except OSError as error:
        return broken(f"{path}: {error.strerror}", "make it readable to whoever runs the service")
    said = f"{free / 1e9:.1f} GB are free for {what} ({path})"
    mend = "free some space, or choose another with --data-dir"
    if free < LEAST_BYTES:
        return broken(said, mend)
    return ok(said) if free >= ENOUGH_BYTES else warning(said, mend)


def shared_memory(case: Case) -> Finding:
    """Ray's object store lies there; in containers it is often 64 MB."""
    path = case.machine.shared_memory
    try:
        free = case.machine.free(path)
    except OSError:
        return warning(f"there is no {path}", "Ray uses the disk instead, which is slower")
    said = f"{free / 1e6:.0f} MB are free in {path}"
    if free < RAYS_SHARED_MEMORY:
        return warning(
            said, "give the container more, as `--shm-size 1g`; Ray uses the disk meanwhile"
        )
    return ok(said)


def sockets(case: Case) -> Finding:
    """A path that is too long ends Ray at its start."""
    at = case.machine.temp
    length = len(f"{at}/{TEMP_PREFIX}12345678/{SESSION}")
    if not os.access(at, os.W_OK):
        return broken(f"{at} cannot be written", "let whoever runs the service write there")
    if length > LONGEST_SOCKET:
        return broken(
            f"{at} is too long for Ray's sockets: {length} characters of {LONGEST_SOCKET}",
            "make /tmp a directory that can be written, or set TMPDIR to a shorter one",
        )
    return ok(f"{length} characters of {LONGEST_SOCKET} below {at}")


def files(case: Case) -> Finding:
    """Each stream, worker and connection is one; Ray's processes inherit the limit."""
    now, most = case.machine.descriptors
    said = f"a process may have {now} files open"
    mend = f"run `ulimit -n {min(most, 65_536)}` before, or raise LimitNOFILE of its unit"
    if now < FEW_FILES:
        return broken(said, mend)
    return ok(said) if now >= ENOUGH_FILES else warning(said, mend)


def _locked(lock: Path) -> Iterator[tuple[str, str]]:
    for line in lock.read_text().splitlines():
        name, sign, rest = line.partition("==")
        if sign:
            yield name, rest.partition(" ")[0]


def _existing(path: Path) -> Path:
    """Itself, or the nearest above it that is there."""
    return next(one for one in (path, *path.parents) if one.exists())
