"""Makes versions of checkpoints: for the registry, and for `residual import` beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from service.errors import AlreadyTaken
from service.models.store import ModelStore, ModelVersion
from trainer.contract import checkpoints, layout
from trainer.contract.checkpoints import Checkpoint
from trainer.contract.objects.store import AlreadyExists, ObjectStore


@dataclass(frozen=True)
class Registrar:
    """Several may work at once, in several programs."""

    store: ModelStore
    objects: ObjectStore
    clock: Callable[[], datetime]

    def make(self, project: str, name: str, source: Checkpoint) -> ModelVersion:
        """A new version of a checkpoint. Raises Damaged, or AlreadyTaken when the name is an ensemble's."""
        if self.store.is_ensemble(project, name):
            raise AlreadyTaken(f"'{name}' is an ensemble; give the model another name.")
        number = self._claim(project, name)
        target = layout.model_version(project, name, number)
        at = self.clock()
        checkpoints.copy_as_version(self.objects, source, target, at=at)
        made = ModelVersion(project, name, number, source.prefix, source.meta, at)
        self.store.insert(made)
        return made

    def once(self, project: str, name: str, prefix: str) -> ModelVersion:
        """The version of the checkpoint under `prefix`: the one there is, or else a new one. Raises
        NoSuchObject, Damaged or AlreadyTaken."""
        there = self.store.of_origin(project, name, prefix)
        return there or self.make(project, name, checkpoints.read(self.objects, prefix))

    def _claim(self, project: str, name: str) -> int:
        """A number that is ours alone: two registrations never write below one prefix, and a crash
        in between costs a number, no more."""
        known = self.store.versions(project, name)
        for number in count(known[0].version + 1 if known else 1):
            try:
                self.objects.create(layout.model_claim(project, name, number), b"")
            except AlreadyExists:
                continue
            return number
        raise AssertionError("numbers do not end")
