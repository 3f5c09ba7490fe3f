"""Who may call: one administrator's key. The middleware asks for it before anything else is read;
the command line reads the same key from the data directory."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Unauthorized
from service.problems import response_to
from service.settings import Settings

KEY_FILE = "api-key"
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/docs", "/docs/oauth2-redirect", "/openapi.json"})
"""What answers without a key."""
ADMINISTRATOR = "default"
"""The project that the administrator's key belongs to."""

Authenticate = Callable[[str], str | None]
"""From a key to the project it belongs to; None for a key that opens nothing."""


def administrator_key(settings: Settings) -> str:
    """The key as set, or the one in the data directory, made there at first start."""
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    path = settings.data_dir.expanduser() / KEY_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        _create(path, secrets.token_urlsafe(32))
    return path.read_text().strip()


def only(administrator: str) -> Authenticate:
    """Knows one key."""

    def authenticate(key: str) -> str | None:
        same = secrets.compare_digest(key.encode(), administrator.encode())
        return ADMINISTRATOR if same else None

    return authenticate


@dataclass(frozen=True)
class RequireKey:
    """ASGI middleware: a request without a valid key gets 401; others carry `state.project`."""

    app: ASGIApp
    authenticate: Authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _open(scope["path"]):
            return await self.app(scope, receive, send)
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        project = self.authenticate(key.strip()) if scheme.lower() == "bearer" else None
        if project is None:
            refusal = Unauthorized(
                "Send 'Authorization: Bearer KEY'; `residual key` prints the key on the machine "
                "that runs the service."
            )
            return await response_to(refusal)(scope, receive, send)
        scope.setdefault("state", {})["project"] = project
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
