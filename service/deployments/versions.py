"""What can be deployed under a name: versions of a model, or ensembles of several. Used by `Deployments`."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.deployments.ensembles import EnsembleStore
from service.errors import AlreadyTaken, Invalid, NotFound
from service.jobs.registered import find, some, title
from service.models.service import Models
from trainer.contract import suits
from trainer.contract.checkpoints import CheckpointMeta
from trainer.contract.evaluation import ModelRef, Protocol
from trainer.contract.serving import Member


@dataclass(frozen=True)
class Versions:
    """Knows no HTTP and no SQL."""

    models: Models
    ensembles: EnsembleStore

    def networks(self, project: str, name: str, number: int) -> tuple[CheckpointMeta, ...]:
        """Of a version: one, or those of an ensemble. Raises NotFound, which says what there is."""
        ensembles = self.ensembles.of_name(project, name)
        if not ensembles:
            return (self.models.version(project, name, number).meta,)
        if number not in ensembles:
            has = some([str(one) for one in reversed(ensembles)])
            raise NotFound(f"The ensemble '{name}' has no version {number}; it has {has}.")
        found = (self.models.version(project, one.model, one.version) for one in ensembles[number])
        return tuple(one.meta for one in found)

    def newest(self, project: str, name: str) -> int:
        """Raises NotFound."""
        ensembles = self.ensembles.of_name(project, name)
        return max(ensembles) if ensembles else self.models.get(project, name).versions[0].version

    def aliased(self, project: str, name: str, alias: str) -> int:
        """Raises NotFound, or Invalid for an ensemble."""
        if self.ensembles.of_name(project, name):
            raise Invalid(
                f"'{name}' is an ensemble, and those have no aliases; give 'version'.",
                field="alias",
            )
        return self.models.aliased(project, name, alias)

    def ensemble(self, project: str, name: str, wanted: Sequence[ModelRef]) -> int:
        """The version of `name` that averages these models: the one there is, or a new one. Raises Invalid,
        or AlreadyTaken when the name is a model's."""
        if self.models.store.versions(project, name):
            raise AlreadyTaken(
                f"'{name}' is a registered model; deploy the ensemble under another name."
            )
        first, *others = found = [
            find(one, "ensemble", project, self.models.store) for one in wanted
        ]
        for one in others:
            if one.meta.class_names != first.meta.class_names:
                raise Invalid(
                    f"{title(one)} knows the classes {some(one.meta.class_names)}, and {title(first)} "
                    f"{some(first.meta.class_names)}; name models of the same classes, in the same order.",
                    field="ensemble",
                )
        members = tuple(Member(model=one.name, version=one.version) for one in found)
        return self.ensembles.number(project, name, members)


def check(protocol: Protocol, networks: Sequence[CheckpointMeta]) -> None:
    """Raises Invalid when one of them cannot take the views."""
    try:
        for each in networks:
            suits.check_protocol(each.architecture, protocol)
    except suits.Unresolvable as error:
        raise Invalid(str(error), field=error.field) from error
