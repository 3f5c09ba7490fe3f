"""Begins a training with weights that there are already. `beginning` calls it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file
from torch import Tensor, nn

from trainer.contract import checkpoints, manifest
from trainer.contract.checkpoints import WEIGHTS
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import NoSuchObject, ObjectStore
from trainer.contract.spec import ResolvedSpec, ResolvedStart
from trainer.evaluation.version import Unfit
from trainer.models.build import build


def take_over(
    store: ObjectStore, spec: ResolvedSpec, start: ResolvedStart, into: nn.Module
) -> None:
    """Give the network `into` the weights of `start`; of other classes all but its classifier's. Raises
    Unfit."""
    weights = _read(store, start)
    left = set() if start.classifier else classifier(spec)
    taken = {name: weight for name, weight in weights.items() if name not in left}
    try:
        absent = into.load_state_dict(taken, strict=False)
    except RuntimeError as error:
        raise Unfit(f"the weights of {start.name} do not fit {spec.arch}: {error}") from error
    if set(absent.missing_keys) != left or absent.unexpected_keys:
        raise Unfit(f"the weights of {start.name} are not those of a {spec.arch}")


def classifier(spec: ResolvedSpec) -> set[str]:
    """The names of what depends on the number of classes."""
    few, more = (build(spec.network, count).state_dict() for count in (2, 3))
    return {name for name, weight in few.items() if weight.shape != more[name].shape}


def _read(store: ObjectStore, start: ResolvedStart) -> dict[str, Tensor]:
    try:
        found = checkpoints.read(store, start.prefix).manifest
        only = tuple(entry for entry in found.files if entry.name == WEIGHTS)
        with TemporaryDirectory(prefix="residual-") as folder:
            wanted = found.model_copy(update={"files": only})
            return load_file(manifest.fetch(store, start.prefix, wanted, Path(folder))[WEIGHTS])
    except (NoSuchObject, Damaged, KeyError) as error:
        raise Unfit(
            f"the weights of {start.name} cannot be had any more: {error}; submit the job again, with "
            "others or without 'start_from'"
        ) from error
