"""Keys of projects: the administrator makes and deletes them. Knows no HTTP and no SQL."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from service.errors import NotFound
from service.keys.store import Key, KeyStore, Quota

PREFIX = "rsd_"
"""By which people, and programs that look for leaked secrets, know a key of this service."""
KEY_BYTES = 32


@dataclass(frozen=True)
class Keys:
    store: KeyStore
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    random_text: Callable[[int], str]
    """So many random bytes as text: `secrets.token_urlsafe`."""

    def create(self, project: str, name: str | None, quota: Quota | None) -> tuple[Key, str]:
        """A new key of a project, and its secret, which is kept nowhere. A quota holds for the whole
        project, until another key brings another one."""
        secret = PREFIX + self.random_text(KEY_BYTES)
        made = Key(self.new_id(), project, name, self.clock(), quota)
        return self.store.insert(made, _digest(secret)), secret

    def page(self, *, limit: int, cursor: str | None) -> tuple[list[Key], str | None]:
        """Keys of all projects, newest first, and the cursor of the next page."""
        return self.store.page(limit=limit, cursor=cursor)

    def delete(self, key_id: str) -> None:
        """No later request is let in by it, at whatever replica. Raises NotFound."""
        if not self.store.delete(key_id):
            raise NotFound(f"There is no key '{key_id}'; GET /keys lists them by their ids.")

    def project_of(self, secret: str) -> str | None:
        """Whose key it is, looked up each time: so a deleted one opens nothing from then on."""
        return self.store.project_of(_digest(secret)) if secret.startswith(PREFIX) else None


def _digest(secret: str) -> str:
    """Of 32 random bytes a plain digest is enough: nobody can try them all."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
