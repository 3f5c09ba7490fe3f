"""Removes old backups from the place where they are kept. Used by `residual backup --keep`."""

from collections.abc import Iterable
from dataclasses import dataclass

from service.backup import place
from service.backup.place import BACKUPS, CONTENTS
from trainer.contract.manifest import MANIFEST
from trainer.contract.objects.store import ObjectStore, StoredObject


@dataclass(frozen=True)
class Removed:
    """What is no longer there."""

    names: tuple[str, ...]
    """Of backups, oldest first."""
    objects: int
    """Contents that none of the other backups needs."""
    bytes: int


def all_but(kept: ObjectStore, newest: int) -> Removed:
    """Remove all backups but so many of the `newest`, and what backups left that did not come to their end.

    No backup may be made in the place meanwhile: it would count on contents that go. One that is interrupted
    is finished by the next. Raises StoreError, and Unusable, with nothing removed, when a backup that stays
    is damaged: what it needs cannot be known.
    """
    if newest < 1:
        raise ValueError(f"at least one backup stays, not {newest}")
    names = place.backups(kept)
    old, stay = names[:-newest], names[-newest:]
    needed = {entry.sha256 for name in stay for entry in place.index(kept, place.find(kept, name))}
    for name in _before(kept, stay):
        files = [found.key for found in kept.list(f"{BACKUPS}{name}/")]
        # The manifest first: without it there is no backup that lacks something.
        for key in sorted(files, key=lambda key: not key.endswith(f"/{MANIFEST}")):
            kept.delete(key)
    unneeded = _but(kept.list(CONTENTS), needed)
    for found in unneeded:
        kept.delete(found.key)
    return Removed(tuple(old), len(unneeded), sum(found.size for found in unneeded))


def _before(kept: ObjectStore, stay: list[str]) -> list[str]:
    """Names, which are times, from before those that stay."""
    there = {found.key.split("/")[1] for found in kept.list(BACKUPS)}
    return sorted(name for name in there - set(stay) if stay and name < stay[-1])


def _but(listed: Iterable[StoredObject], needed: set[str]) -> list[StoredObject]:
    return [found for found in listed if found.key.rpartition("/")[2] not in needed]
