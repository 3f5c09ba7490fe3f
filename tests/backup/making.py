"""Backups as tests make and bring them back."""

from pathlib import Path

from sqlalchemy import Engine

from service.backup import place
from service.backup.making import Made, Maker
from service.backup.restoring import Restored, Restorer
from tests.jobs.making import NOW
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import ObjectStore


def silent(*_: object) -> None:
    """Told how far it is."""


def backed_up(engine: Engine, source: ObjectStore, into: Path, *, at: int = 0) -> Made:
    """The backup of a moment: the `at`-th second."""
    clock = lambda: NOW.replace(second=at)  # noqa: E731
    return Maker(engine, source, LocalStore(into), clock, silent).make()


def restored(
    kept: Path, engine: Engine, objects: ObjectStore, *, over: bool = False, name: str | None = None
) -> Restored:
    store = LocalStore(kept)
    restorer = Restorer(store, place.find(store, name), lambda: NOW, silent)
    return restorer.restore(engine, objects, over=over)


def contents(store: ObjectStore) -> dict[str, bytes]:
    """By key."""
    return {found.key: store.get(found.key) for found in store.list("")}
