"""What `residual doctor` checks, in the order in which it tells it."""

import importlib.util
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from service.doctor import machine, parts, setting
from service.doctor.finding import Case, Check, Descriptors, Finding, Machine, broken
from service.settings import Settings

CHECKS: dict[str, Check] = {
    "settings": setting.settings,
    "versions": machine.versions,
    "bytecode": machine.bytecode,
    "data directory": setting.data_directory,
    "keys": setting.keys,
    "disk": machine.disk,
    "temporary files": machine.temp,
    "sockets": machine.sockets,
    "shared memory": machine.shared_memory,
    "open files": machine.files,
    "port": setting.port,
    "database": parts.database,
    "object store": parts.store,
    "store's clock": parts.store_clock,
    "ray": parts.ray,
    "ray serve": parts.serve,
    "gpus": parts.gpus,
}

GPUS = "import torch; print(torch.cuda.device_count())"
GPUS_WITHIN_S = 60


def look(name: str, case: Case) -> Finding:
    """What one check finds; one that fails itself has found something too."""
    try:
        return CHECKS[name](case)
    except Exception as error:  # noqa: BLE001 - a check that cannot end is no reason to end the others
        return broken(f"it could not be looked at: {error!r}"[:300], "see the other lines first")


def this_case(settings: Settings) -> Case:
    """This machine and this program."""
    short = Path("/tmp")  # noqa: S108 - where ray_record puts them
    here = Machine(
        environ=dict(os.environ),
        lock=Path(__file__).parents[2] / "requirements.lock",
        installed=version,
        compiled=_is_compiled,
        free=lambda path: shutil.disk_usage(path).free,
        shared_memory=Path("/dev/shm"),  # noqa: S108
        temp=short if short.is_dir() else Path(tempfile.gettempdir()),
        descriptors=Descriptors(*resource.getrlimit(resource.RLIMIT_NOFILE)),
        gpus=_gpus,
    )
    return Case(settings, here)


def _is_compiled(package: str) -> bool:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return False
    return Path(importlib.util.cache_from_source(found.origin)).exists()


def _gpus() -> int:
    """Of a process of its own: this one loads no torch."""
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", GPUS],
        capture_output=True,
        text=True,
        timeout=GPUS_WITHIN_S,
        check=False,
    )
    if done.returncode:
        raise OSError(
            done.stderr.strip().splitlines()[-1] if done.stderr else "torch does not load"
        )
    return int(done.stdout)
