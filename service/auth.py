"""Who may call: the administrator, and whoever has a project's key. The middleware asks for a key before
anything else is read; the command line reads the administrator's from the data directory."""

import os
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Unauthorized
from service.problems import PART_FAILURES, part_failed, response_to
from service.settings import Settings

KEY_FILE = "api-key"
METRICS_KEY_FILE = "metrics-key"
METRICS_PATH = "/metrics"
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/docs", "/docs/oauth2-redirect", "/openapi.json"})
"""What answers without a key."""
ADMINISTRATOR = "default"
"""The project that the administrator's key belongs to."""


@dataclass(frozen=True)
class Caller:
    """Whom a key belongs to."""

    project: str
    administrator: bool = False


Authenticate = Callable[[str], Awaitable[Caller | None]]
"""From a key to whom it belongs to; None for a key that opens nothing."""


def administrator_key(settings: Settings) -> str:
    """The key as set, or the one in the data directory, made there at first start."""
    return _key(settings.api_key, settings.data_dir / KEY_FILE)


def metrics_key(settings: Settings) -> str:
    """The key that opens `/metrics` and nothing else; it comes about as the administrator's does."""
    return _key(settings.metrics_key, settings.data_dir / METRICS_KEY_FILE)


def _key(given: SecretStr | None, path: Path) -> str:
    if given is not None:
        return given.get_secret_value()
    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        _create(path, secrets.token_urlsafe(32))
    return path.read_text().strip()


def authenticator(administrator: str, project_of: Callable[[str], str | None]) -> Authenticate:
    """Knows the administrator's key itself, and asks `project_of` for those of projects."""

    async def authenticate(key: str) -> Caller | None:
        if secrets.compare_digest(key.encode(), administrator.encode()):
            return Caller(ADMINISTRATOR, administrator=True)
        project = await to_thread.run_sync(project_of, key)
        return Caller(project) if project else None

    return authenticate


def scraper(administrator: str, metrics: str) -> Authenticate:
    """Knows who may read `/metrics`, which shows something of every project: the administrator, and
    Prometheus by a key of its own. A key that can do everything has no place in its configuration."""

    async def authenticate(key: str) -> Caller | None:
        keys = (administrator, metrics)
        same = [secrets.compare_digest(key.encode(), known.encode()) for known in keys]
        return Caller(ADMINISTRATOR) if any(same) else None

    return authenticate


@dataclass(frozen=True)
class RequireKey:
    """ASGI middleware: a request without a valid key gets 401; others carry `state.caller`."""

    app: ASGIApp
    authenticate: Authenticate
    scraper: Authenticate
    """For `/metrics`, instead."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _open(scope["path"]):
            return await self.app(scope, receive, send)
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        try:
            asked = self.scraper if scope["path"] == METRICS_PATH else self.authenticate
            caller = await asked(key.strip()) if scheme.lower() == "bearer" else None
        except PART_FAILURES as error:
            return await part_failed(scope["path"], error)(scope, receive, send)
        if caller is None:
            refusal = Unauthorized(
                "Send 'Authorization: Bearer KEY'; `residual key` prints the key on the machine "
                "that runs the service."
            )
            return await response_to(refusal)(scope, receive, send)
        scope.setdefault("state", {})["caller"] = caller
        return await self.app(scope, receive, send)


def _open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith("/problems")


def _create(path: Path, key: str) -> None:
    """Write a whole key or nothing, readable by its owner only. Raises FileExistsError."""
    whole = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{key}\n")
            file.flush()
            os.fsync(descriptor)
        os.link(whole, path)  # of several first starts one wins, and no reader sees half a key
    finally:
        whole.unlink()
