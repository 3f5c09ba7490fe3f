"""From a request for a job to what will be done, by what the service knows: its data sets and the
models of the caller's project. Used by `Jobs`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from service.cluster.cluster import Capacity
from service.errors import ClusterUnavailable, Invalid
from service.jobs import fit, sweeping
from service.jobs.beginnings import FIELD, Beginnings
from service.jobs.fit import Room
from service.jobs.inputs import Inputs
from service.jobs.registered import Registry, Version, check_name, find, some, title
from trainer.contract import layout, resolve, suits
from trainer.contract.archs import Architecture, Network
from trainer.contract.checkpoints import CheckpointMeta
from trainer.contract.datasets import DATASETS, DatasetInfo
from trainer.contract.evaluation import EvaluatedModel, EvaluateSpec, ModelRef
from trainer.contract.kinds import JobSpec, Resolved
from trainer.contract.prediction import PredictSpec
from trainer.contract.spec import ResolvedSpec, ResolvedStart, TrainSpec
from trainer.contract.sweep import SweepSpec


@dataclass(frozen=True)
class Decided:
    """A request, and what will be done about it."""

    asked: JobSpec
    spec: Resolved
    models: tuple[CheckpointMeta, ...] = ()
    """Of an evaluation, in its order; of a prediction the one."""
    trials: tuple[ResolvedSpec, ...] = ()
    """That a sweep may have: all of them where they are known beforehand."""


def decide(  # noqa: PLR0913 - the request, what is known, and the cluster
    asked: JobSpec,
    project: str,
    beginnings: Beginnings,
    inputs: Inputs,
    *,
    gpus: int,
    rooms: Sequence[Room] = (),
) -> Decided:
    """What `asked` means on a cluster of `gpus` GPUs, of which `rooms` are the nodes. Raises Invalid, which
    names the field, and StoreUnavailable."""
    check_labels(asked.labels)
    try:
        if isinstance(asked, TrainSpec | SweepSpec):
            check_name(asked.register_as, project, beginnings.registry)
        if isinstance(asked, TrainSpec):
            return _training(asked, project, beginnings, gpus)
        if isinstance(asked, SweepSpec):
            return _sweep(
                asked, partial(_training, project=project, beginnings=beginnings, gpus=gpus), rooms
            )
        if isinstance(asked, PredictSpec):
            return _prediction(asked, project, beginnings.registry, inputs, gpus)
        return _evaluation(asked, project, beginnings.registry, gpus)
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


def _training(asked: TrainSpec, project: str, beginnings: Beginnings, gpus: int) -> Decided:
    info = _dataset(asked.dataset)
    spec = resolve.resolve(asked, info, gpus=gpus)
    if asked.start_from is None:
        return Decided(asked, spec)
    found = beginnings.find(project, asked.start_from)
    if found.meta.architecture != spec.network:
        raise Invalid(
            f"The weights of {found.name} are those of {_described(found.meta.architecture)}, and the job "
            f"is {_described(spec.network)}; ask for the same network.",
            field=FIELD,
        )
    same = found.meta.class_names == info.classes
    start = ResolvedStart(name=found.name, prefix=found.prefix, classifier=same)
    return Decided(asked, spec.model_copy(update={"start_from": start}))


def _sweep(
    asked: SweepSpec, training: Callable[[TrainSpec], Decided], rooms: Sequence[Room]
) -> Decided:
    def resolved(trial: TrainSpec) -> ResolvedSpec:
        found = training(trial).spec
        if not isinstance(found, ResolvedSpec):
            raise TypeError("a trial is a training")
        return found

    sweep, trials = sweeping.decide(asked, resolved, partial(fit.at_once, rooms=rooms))
    return Decided(asked, sweep, trials=tuple(trials))


def _described(network: Network) -> str:
    """In words, with all that its weights depend on."""
    if not isinstance(network, Architecture):
        return network.name
    shortcut = f", shortcut {network.shortcut}" if network.shortcut else ""
    return f"{network.name} ({network.family} family{shortcut}, stride {network.stride}, {network.stem} stem)"


def _evaluation(asked: EvaluateSpec, project: str, registry: Registry, gpus: int) -> Decided:
    field, wanted = "ensemble", asked.ensemble or ()
    if asked.model is not None:
        field, wanted = "model", (ModelRef(model=asked.model, version=asked.version),)
    found = [find(one, field, project, registry) for one in wanted]
    info = _dataset_of(asked, found[0])
    for one in found:
        if one.meta.class_names != info.classes:
            raise Invalid(
                f"{title(one)} knows the classes {some(one.meta.class_names)}, and '{info.name}' "
                f"has {some(info.classes)}; all must be the same, in the same order.",
                field="dataset" if asked.dataset and one is found[0] else field,
            )
        suits.check_protocol(one.meta.architecture, asked.protocol)
    models = tuple(_placed(one, project) for one in found)
    spec = resolve.resolve_evaluation(asked, info, models, gpus=gpus)
    return Decided(asked, spec, tuple(one.meta for one in found))


def _prediction(
    asked: PredictSpec, project: str, registry: Registry, inputs: Inputs, gpus: int
) -> Decided:
    found = find(ModelRef(model=asked.model, version=asked.version), "model", project, registry)
    if asked.dataset is not None:
        _dataset(asked.dataset)
    source = prefix = None
    if asked.source is not None:
        source, prefix = inputs.find(project, asked.source)
    model = _placed(found, project)
    spec = resolve.resolve_prediction(asked, model, source=source, prefix=prefix, gpus=gpus)
    return Decided(asked, spec, (found.meta,))


def _placed(one: Version, project: str) -> EvaluatedModel:
    prefix = layout.model_version(project, one.name, one.version)
    return EvaluatedModel(name=one.name, version=one.version, prefix=prefix)


def _dataset_of(asked: EvaluateSpec, first: Version) -> DatasetInfo:
    """The data set asked for, or the one that the first model was trained on."""
    name = asked.dataset or first.meta.dataset
    if name is None:
        raise Invalid(
            f"{title(first)} was imported, so what it was trained on is not known; give 'dataset'.",
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
