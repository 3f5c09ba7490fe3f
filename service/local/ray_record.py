"""What is remembered of the Ray of a data directory, so that the next `up` can adopt or sweep it."""

import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ValidationError

from service.local.instance import Places
from service.local.ports import free_ports

TEMP_PREFIX = "residual-"


class RayPorts(BaseModel, frozen=True):
    """Ports of loopback, chosen by us so that several services fit on one machine."""

    gcs: int
    dashboard: int
    client: int
    serve: int


class RayRecord(BaseModel, frozen=True):
    """A Ray head that was started for a data directory."""

    pid: int
    created: float
    """Seconds since the epoch: tells the process from a later one with its number."""
    ports: RayPorts
    temp_dir: Path
    program: str
    """What started it; another version does not adopt it."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.ports.dashboard}"

    @property
    def serve_address(self) -> str:
        return f"http://127.0.0.1:{self.ports.serve}"


def this_program() -> str:
    return f"residual {version('residual')}, ray {version('ray')}, {sys.executable}"


def new_ports() -> RayPorts:
    gcs, dashboard, client, serve = free_ports(4)
    return RayPorts(gcs=gcs, dashboard=dashboard, client=client, serve=serve)


def new_temp_dir() -> Path:
    """A short path: those of Ray's sockets below it may have 107 characters."""
    short = Path("/tmp")  # noqa: S108  # mkdtemp makes it ours alone; $TMPDIR can be too long
    return Path(tempfile.mkdtemp(prefix=TEMP_PREFIX, dir=short if short.is_dir() else None))


def load(places: Places) -> RayRecord | None:
    try:
        return RayRecord.model_validate_json(places.ray_record.read_bytes())
    except (OSError, ValidationError):
        return None


def save(places: Places, record: RayRecord) -> None:
    fresh = places.ray_record.with_suffix(".new")
    fresh.write_text(record.model_dump_json(indent=2))
    os.replace(fresh, places.ray_record)


def forget(places: Places) -> None:
    """Remove the record and the directory it names."""
    record = load(places)
    if record and record.temp_dir.name.startswith(TEMP_PREFIX):
        shutil.rmtree(record.temp_dir, ignore_errors=True)
    places.ray_record.unlink(missing_ok=True)
