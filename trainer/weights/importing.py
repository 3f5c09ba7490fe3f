"""From a file to a checkpoint that no training wrote: the network, its images, and a golden batch."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trainer.contract.checkpoints import GOLDEN, PREPROCESS, WEIGHTS, CheckpointMeta, Imported
from trainer.contract.transform import Transform
from trainer.data.batches import normalise
from trainer.models.build import build
from trainer.weights import preprocessing
from trainer.weights.asked import Asked
from trainer.weights.described import PIXEL_MEAN, described
from trainer.weights.fitting import fitted
from trainer.weights.layouts import RESIDUAL, Found, NotRecognised, recognise
from trainer.weights.reading import Weights

GOLDEN_IMAGES = 16


@dataclass(frozen=True)
class Model:
    """A network in evaluation mode with all that belongs to it."""

    network: nn.Module
    pixel_mean: Tensor
    """float32 (3, input_size, input_size) in 0 … 1."""
    meta: CheckpointMeta

    @property
    def digest(self) -> str:
        """SHA-256 of what decides its answers: the file, and how it was read."""
        facts = self.meta.model_dump(mode="json", exclude={"versions": True, "imported": {"file"}})
        whole = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        whole.update(self.pixel_mean.numpy().tobytes())
        # What the first convolution was divided by is in none of the two.
        whole.update(next(self.network.parameters()).detach().numpy().tobytes())
        return whole.hexdigest()


def as_model(weights: Weights, asked: Asked) -> Model:
    """The model in a file. Raises NotRecognised, Misfit, or ValueError for what was said of it."""
    own = described(weights.notes)
    if own is not None:
        return _exported(weights, own, asked)
    found = recognise(weights.tensors, asked.layout)
    network = _blank(found)
    state = fitted(weights.tensors, found, network.state_dict())
    mean, std = preprocessing.normalisation(found, asked)
    transform = preprocessing.transform(found.network, asked, weights.sha256)
    return Model(
        network=_loaded(network, preprocessing.divided(state, network, std)),
        pixel_mean=preprocessing.mean_image(mean, transform.input_size),
        meta=_meta(weights, found, asked.class_names, transform),
    )


def _exported(weights: Weights, own: CheckpointMeta, asked: Asked) -> Model:
    """The model in a file that says itself what it is."""
    if asked.layout not in (None, RESIDUAL) or any((asked.mean, asked.std, asked.resize)):
        raise ValueError("the file says itself how it is to be read; leave out all but class names")
    tensors = dict(weights.tensors)
    mean = tensors.pop(PIXEL_MEAN, None)
    side = own.transform.input_size
    if mean is None or mean.shape != (3, side, side):
        raise NotRecognised(f"it has no {PIXEL_MEAN} of {side} pixels a side; export it again")
    found = Found(RESIDUAL, own.architecture, len(own.class_names))
    network = _blank(found)
    return Model(
        network=_loaded(network, fitted(tensors, found, network.state_dict())),
        pixel_mean=mean.to(torch.float32).contiguous(),
        meta=_meta(weights, found, asked.class_names or own.class_names, own.transform),
    )


def _meta(
    weights: Weights, found: Found, class_names: tuple[str, ...] | None, transform: Transform
) -> CheckpointMeta:
    return CheckpointMeta(
        job_id=None,
        attempt=0,
        step=0,
        epoch=0,
        metrics=None,
        architecture=found.network,
        class_names=_named(class_names, found.classes),
        transform=transform,
        dataset=None,
        dataset_fingerprint=None,
        seed=None,
        imported=Imported(file=weights.file, sha256=weights.sha256, layout=found.layout),
        versions={"torch": torch.__version__},
    )


def write(model: Model, folder: Path) -> dict[str, Path]:
    """The files of a checkpoint, by their names in it. The golden batch is noise: its images need only
    be the same for whoever replays it."""
    side = model.meta.transform.input_size
    stream = torch.Generator().manual_seed(0)
    shape = (GOLDEN_IMAGES, 3, side, side)
    images = torch.randint(256, shape, generator=stream, dtype=torch.uint8)
    with torch.inference_mode():
        logits = model.network(normalise(images, model.pixel_mean, model.meta.transform))
    if not torch.isfinite(logits).all():
        raise NotRecognised("the network's answers are not finite; its weights are of no use")
    files: dict[str, dict[str, Tensor]] = {
        WEIGHTS: dict(model.network.state_dict()),
        PREPROCESS: {PIXEL_MEAN: model.pixel_mean},
        GOLDEN: {"images": images, "logits": logits},
    }
    for name, tensors in files.items():
        save_file(tensors, folder / name)
    return {name: folder / name for name in files}


def _blank(found: Found) -> nn.Module:
    torch.manual_seed(0)  # of auxiliary classifiers that the file may lack
    return build(found.network, found.classes)


def _loaded(network: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    network.load_state_dict(state)  # copies, so half precision and mapped files end here
    return network.eval().requires_grad_(False)


def _named(names: tuple[str, ...] | None, classes: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"class-{i}" for i in range(classes))
    if len(names) != classes:
        raise ValueError(f"{len(names)} class names are given, and the network has {classes}")
    return names
