"""Registered models, as requests for jobs name them. Used by `resolving` and `beginnings`."""

from collections.abc import Sequence
from typing import Protocol

from service.errors import Invalid
from trainer.contract.checkpoints import CheckpointMeta
from trainer.contract.evaluation import ModelRef

NAMED = 10
"""Models or versions that a sentence names."""


class Version(Protocol):
    """A registered model version."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def meta(self) -> CheckpointMeta: ...


class Registry(Protocol):
    """The registered models of every project."""

    def versions(self, project: str, name: str) -> Sequence[Version]:
        """All versions of a model, newest first."""

    def newest(self, project: str, *, limit: int, after: str) -> Sequence[Version]:
        """The newest version of each model whose name comes after `after`, by name."""

    def is_ensemble(self, project: str, name: str) -> bool:
        """Whether the name is an ensemble's, and no model can have it."""


def check_name(name: str | None, project: str, registry: Registry) -> None:
    """Raises Invalid for a name that no model can have: before the training, and not at its end."""
    if name is not None and registry.is_ensemble(project, name):
        raise Invalid(
            f"'{name}' is an ensemble's name; give the model another one.", field="register_as"
        )


def find(wanted: ModelRef, field: str, project: str, registry: Registry) -> Version:
    """The version that is wanted. Raises Invalid, which names `field`."""
    versions = registry.versions(project, wanted.model)
    if not versions:
        first = [one.name for one in registry.newest(project, limit=NAMED + 1, after="")]
        there = f"there are {some(first)}" if first else "there are none yet"
        raise Invalid(
            f"There is no model '{wanted.model}'; {there}, and POST /models makes one.",
            field=field,
        )
    for one in versions:
        if wanted.version in (None, one.version):
            return one
    has = some([str(one.version) for one in versions])
    raise Invalid(
        f"Model '{wanted.model}' has no version {wanted.version}; it has {has}.", field=field
    )


def title(one: Version) -> str:
    return f"'{one.name}:{one.version}'"


def some(words: Sequence[str]) -> str:
    """`a, b, c`, or the first of many."""
    more = ", …" if len(words) > NAMED else ""
    return f"{', '.join(words[:NAMED])}{more}"
