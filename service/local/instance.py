"""One running service a data directory: a lock that the kernel lets go when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from service.local.failure import CannotStart


class Holder(BaseModel, frozen=True):
    """Who runs in a data directory."""

    pid: int
    url: str


@dataclass(frozen=True)
class Places:
    """Where things lie in a data directory."""

    data_dir: Path

    @property
    def run(self) -> Path:
        """What only matters while, or shortly after, the service runs."""
        return self.data_dir / "run"

    @property
    def lock(self) -> Path:
        return self.run / "lock.json"

    @property
    def ray_record(self) -> Path:
        return self.run / "ray.json"

    @property
    def ray_token(self) -> Path:
        return self.run / "ray-token"

    @property
    def ray_log(self) -> Path:
        return self.data_dir / "logs" / "ray.log"


def prepare(data_dir: Path) -> Places:
    """The data directory, made if it is not there. Raises CannotStart."""
    places = Places(data_dir.expanduser().resolve())
    try:
        places.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        places.run.mkdir(exist_ok=True, mode=0o700)
        places.ray_log.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise CannotStart(
            f"cannot use the data directory {places.data_dir} ({error.strerror}); "
            "choose one you may write to with --data-dir"
        ) from error
    return places


@contextmanager
def held(places: Places) -> Iterator[None]:
    """Hold the data directory alone. Raises CannotStart when another service holds it."""
    file = os.open(places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotStart(_already_running(places)) from error
        places.lock.write_bytes(b"")  # who was killed here says nothing any more
        yield
        places.lock.write_bytes(b"")
    finally:
        os.close(file)


def announce(places: Places, url: str) -> None:
    """Tell whoever comes next where this service is. Only for the holder of the directory."""
    places.lock.write_text(Holder(pid=os.getpid(), url=url).model_dump_json())


def holder(places: Places) -> Holder | None:
    """Who announced itself last, unless it left in order."""
    try:
        return Holder.model_validate_json(places.lock.read_bytes())
    except (OSError, ValidationError):
        return None


def _already_running(places: Places) -> str:
    other = holder(places)
    who = f"process {other.pid}, at {other.url}" if other else "another process, still starting"
    return (
        f"the service already runs in {places.data_dir} ({who}); "
        "use that one, stop it first, or choose another --data-dir"
    )
