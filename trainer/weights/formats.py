"""The formats a version is exported in: how each file is written, and how it is run again."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainer.evaluation.version import Version
from trainer.weights.asked import Asked
from trainer.weights.described import NOTE, PIXEL_MEAN, note
from trainer.weights.importing import as_model
from trainer.weights.reading import read
from trainer.weights.state_dicts import torchvision_network, torchvision_state

Run = Callable[[Tensor], Tensor]
"""float32 (B, 3, S, S) in 0 … 1 → logits (B, classes), for any B."""


class Format(NamedTuple):
    suffix: str
    write: Callable[[Version, Path], None]
    run: Callable[[Path, Version], Run]
    """Reads the file again. Of the version only the description is used, never the weights."""


class Whole(nn.Module):
    """A network with its mean image inside: what ONNX and torch.export hold.

    float32 (B, 3, S, S) in 0 … 1 → logits (B, classes)
    """

    pixel_mean: Tensor

    def __init__(self, network: nn.Module, pixel_mean: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer(PIXEL_MEAN, pixel_mean)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images - self.pixel_mean)
        return logits


def write_safetensors(version: Version, path: Path) -> None:
    """Our names, the mean image, and in the header all that `residual import` needs."""
    state = dict(version.network.state_dict()) | {PIXEL_MEAN: version.pixel_mean}
    save_file(state, path, metadata=note(version.meta))


def run_safetensors(path: Path, _: Version) -> Run:
    model = as_model(read(path), Asked())
    return Whole(model.network, model.pixel_mean)


def write_torchvision(version: Version, path: Path) -> None:
    """torchvision's names; the mean image is the one tensor that its networks do not have."""
    network = version.meta.architecture
    state = torchvision_state(network, dict(version.network.state_dict()))
    save_file(state | {PIXEL_MEAN: version.pixel_mean}, path, metadata=note(version.meta))


def run_torchvision(path: Path, version: Version) -> Run:
    network = torchvision_network(version.meta.architecture, len(version.meta.class_names))
    state = load_file(path)
    mean = state.pop(PIXEL_MEAN)
    network.load_state_dict(state)
    return Whole(network.eval(), mean)


def write_torch_export(version: Version, path: Path) -> None:
    torch.export.save(_program(version), path, extra_files=note(version.meta))


def run_torch_export(path: Path, _: Version) -> Run:
    return torch.export.load(path).module()


def write_onnx(version: Version, path: Path) -> None:
    program = torch.onnx.export(
        _program(version), input_names=["images"], output_names=["logits"], verbose=False
    )
    if program is None:
        raise RuntimeError("torch made no ONNX program")
    program.model.metadata_props[NOTE] = note(version.meta)[NOTE]
    program.save(path, external_data=False)


def run_onnx(path: Path, _: Version) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def _program(version: Version) -> torch.export.ExportedProgram:
    side = version.meta.transform.input_size
    whole = Whole(version.network, version.pixel_mean).eval()
    example = torch.zeros(2, 3, side, side)  # of one image, torch would fix the batch at one
    batch = torch.export.Dim("batch")
    return torch.export.export(whole, (example,), dynamic_shapes=({0: batch},))


FORMATS = {
    "safetensors": Format(".safetensors", write_safetensors, run_safetensors),
    "torchvision": Format(".safetensors", write_torchvision, run_torchvision),
    "onnx": Format(".onnx", write_onnx, run_onnx),
    "torch-export": Format(".pt2", write_torch_export, run_torch_export),
}
