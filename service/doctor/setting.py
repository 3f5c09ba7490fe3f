"""Checks of settings and of what lies in the data directory. Used by `service.doctor.checks`."""

import os
import socket
from difflib import get_close_matches

from service.auth import KEY_FILE
from service.doctor.finding import Case, Finding, broken, ok, warning
from service.local.instance import holder
from service.local.processes import MARK
from service.settings import Settings
from trainer.contract import crashes

PREFIX = "RESIDUAL_"
OTHERS = {
    MARK,
    crashes.SETTING,
    "RESIDUAL_URL",  # the command line's client
    *("RESIDUAL_TEST_DATABASE_URL", "RESIDUAL_TEST_STORAGE_URL"),
    *("RESIDUAL_PROPERTY_STEPS", "RESIDUAL_PROPERTY_SHRINK"),
}
"""Variables that are no settings of the service."""
MINE_ALONE = 0o077


def settings(case: Case) -> Finding:
    """The service ignores what it does not know: a misspelt one would do nothing, silently."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    set_ = {name for name in case.machine.environ if name.upper().startswith(PREFIX)}
    unknown = sorted(name for name in set_ if name.upper() not in known | OTHERS)
    if unknown:
        close = [near for name in unknown for near in get_close_matches(name.upper(), known, 1)]
        meant = f"did you mean {', '.join(close)}? " if close else ""
        return broken(
            f"there is no setting {', '.join(unknown)}", f"{meant}docs/reference.md has all of them"
        )
    if (case.settings.ray_address is None) != (case.settings.serve_address is None):
        return broken(
            "only one of RESIDUAL_RAY_ADDRESS and RESIDUAL_SERVE_ADDRESS is set",
            "set both, or neither",
        )
    return ok(f"{len(set_)} set, all known")


def data_directory(case: Case) -> Finding:
    """Database, objects and keys lie there."""
    path = case.places.data_dir
    if not path.exists():
        return ok(f"{path} is made at the first start")
    if not (path.is_dir() and os.access(path, os.R_OK | os.W_OK | os.X_OK)):
        return broken(
            f"{path} cannot be read and written",
            "choose another with --data-dir, or change its owner",
        )
    if path.stat().st_mode & 0o002:
        return broken(f"everybody may write in {path}", f"run `chmod 700 {path}`")
    if path.stat().st_mode & MINE_ALONE:
        return warning(f"others may look into {path}", f"run `chmod 700 {path}`")
    return ok(f"{path}, for its owner alone")


def keys(case: Case) -> Finding:
    """Who can read a key's file can do everything."""
    there = [
        path for path in (case.places.data_dir / KEY_FILE, case.places.ray_token) if path.exists()
    ]
    for path in there:
        if path.stat().st_mode & MINE_ALONE:
            return broken(
                f"others may read {path}", f"run `chmod 600 {path}`, and make a new one if they did"
            )
    if not there:
        return ok("no key yet; it is made at the first start")
    return ok(f"only its owner can read {' and '.join(path.name for path in there)}")


def port(case: Case) -> Finding:
    """Of the API, unless a service of this data directory has it."""
    found = holder(case.places)
    if found:
        return ok(f"a service runs, process {found.pid}, at {found.url}")
    host, number = case.settings.host, case.settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            return broken(
                f"port {number} of {host}: {error.strerror}",
                "choose another with --port, or RESIDUAL_PORT",
            )
    return ok(f"port {number} of {host} is free")
