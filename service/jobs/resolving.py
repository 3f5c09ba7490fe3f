"""From a request for a job to what will be done, by what the service knows: its data sets and the
models of the caller's project. Used by `Jobs`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.cluster.cluster import Capacity
from service.errors import ClusterUnavailable, Invalid
from trainer.contract import layout, resolve, suits
from trainer.contract.checkpoints import CheckpointMeta
from trainer.contract.datasets import DATASETS, DatasetInfo
from trainer.contract.evaluation import EvaluatedModel, EvaluateSpec, ModelRef
from trainer.contract.kinds import JobSpec, Resolved
from trainer.contract.spec import TrainSpec

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


@dataclass(frozen=True)
class Decided:
    """A request, and what will be done about it."""

    asked: JobSpec
    spec: Resolved
    models: tuple[CheckpointMeta, ...] = ()
    """Of an evaluation, in its order."""


def decide(asked: JobSpec, project: str, registry: Registry, *, gpus: int) -> Decided:
    """What `asked` means on a cluster of `gpus` GPUs. Raises Invalid, which names the field."""
    check_labels(asked.labels)
    try:
        if isinstance(asked, TrainSpec):
            spec = resolve.resolve(asked, _dataset(asked.dataset), gpus=gpus)
            return Decided(asked, spec)
        return _evaluation(asked, project, registry, gpus)
    except suits.Unresolvable as error:
        raise Invalid(str(error), field=error.field) from error


def known_gpus(asked: JobSpec, capacity: Capacity | None) -> int:
    """GPUs that the defaults of `asked` are chosen for. Raises ClusterUnavailable when that matters and
    the cluster has never answered."""
    if capacity is not None:
        return int(capacity.gpus)
    if asked.gpus_per_worker is None or (asked.gpus_per_worker and asked.workers is None):
        raise ClusterUnavailable(
            "The cluster has not answered yet, so whether to use its GPUs is not known; ask again "
            "in a moment, or give 'workers' and 'gpus_per_worker'."
        )
    return 0


def check_labels(labels: Mapping[str, str]) -> None:
    """Raises Invalid for what no database keeps."""
    if any("\0" in value for value in labels.values()):
        raise Invalid("A label cannot contain the character NUL.", field="labels")


def _evaluation(asked: EvaluateSpec, project: str, registry: Registry, gpus: int) -> Decided:
    field, wanted = "ensemble", asked.ensemble or ()
    if asked.model is not None:
        field, wanted = "model", (ModelRef(model=asked.model, version=asked.version),)
    found = [_version(one, field, project, registry) for one in wanted]
    info = _dataset_of(asked, found[0])
    for one in found:
        if one.meta.class_names != info.classes:
            raise Invalid(
                f"{_title(one)} knows the classes {_some(one.meta.class_names)}, and '{info.name}' "
                f"has {_some(info.classes)}; all must be the same, in the same order.",
                field="dataset" if asked.dataset and one is found[0] else field,
            )
        suits.check_protocol(one.meta.architecture, asked.protocol)
    models = tuple(
        EvaluatedModel(
            name=one.name,
            version=one.version,
            prefix=layout.model_version(project, one.name, one.version),
        )
        for one in found
    )
    spec = resolve.resolve_evaluation(asked, info, models, gpus=gpus)
    return Decided(asked, spec, tuple(one.meta for one in found))


def _version(wanted: ModelRef, field: str, project: str, registry: Registry) -> Version:
    versions = registry.versions(project, wanted.model)
    if not versions:
        first = [one.name for one in registry.newest(project, limit=NAMED + 1, after="")]
        there = f"there are {_some(first)}" if first else "there are none yet"
        raise Invalid(
            f"There is no model '{wanted.model}'; {there}, and POST /models makes one.",
            field=field,
        )
    for one in versions:
        if wanted.version in (None, one.version):
            return one
    has = _some([str(one.version) for one in versions])
    raise Invalid(
        f"Model '{wanted.model}' has no version {wanted.version}; it has {has}.", field=field
    )


def _dataset_of(asked: EvaluateSpec, first: Version) -> DatasetInfo:
    """The data set asked for, or the one that the first model was trained on."""
    name = asked.dataset or first.meta.dataset
    if name is None:
        raise Invalid(
            f"{_title(first)} was imported, so what it was trained on is not known; give 'dataset'.",
            field="dataset",
        )
    return _dataset(name)


def _dataset(name: str) -> DatasetInfo:
    if name not in DATASETS:
        raise Invalid(
            f"There is no data set '{name}'; there are {', '.join(sorted(DATASETS))}.",
            field="dataset",
        )
    return DATASETS[name]


def _title(one: Version) -> str:
    return f"'{one.name}:{one.version}'"


def _some(words: Sequence[str]) -> str:
    """`a, b, c`, or the first of many."""
    more = ", …" if len(words) > NAMED else ""
    return f"{', '.join(words[:NAMED])}{more}"
