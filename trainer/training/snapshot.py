"""A training state as CPU copies and as files, and back. Checkpoints are written from the copies."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainer.contract.attempts import Best
from trainer.contract.checkpoints import GOLDEN, OPTIMIZER, PREPROCESS, STATE, TRAINED, WEIGHTS
from trainer.contract.transform import Transform
from trainer.data.batches import normalise
from trainer.training.average import Average
from trainer.training.schedule import LearningRate, Progress

GOLDEN_IMAGES = 16

Tensors = Mapping[str, Tensor]


class State(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A STATE file: what of a training state is no tensor, and does not follow from the step."""

    best: Best | None
    """Best checkpoint so far."""
    progress: Progress = Progress()
    """Of the learning rate. Checkpoints of earlier versions have none, and their recipes need none."""


class Snapshot:
    """CPU copies of a training state, in buffers that are used again each time."""

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.SGD,
        rate: LearningRate,
        average: Average | None = None,
    ) -> None:
        self._network = network
        self._optimizer = optimizer
        self._rate = rate
        self._average = average
        self.weights: dict[str, Tensor] = {}
        """The average's, where there is one."""
        self.trained: dict[str, Tensor] = {}
        """The network's, where `weights` are an average."""
        self.momentum: dict[str, Tensor] = {}
        self.progress = Progress()

    def take(self) -> None:
        """Copy what is there now. This is all that the training loop waits for."""
        trained = self._network.state_dict()
        if self._average:
            _copy_into(self.weights, self._average.network.state_dict())
            _copy_into(self.trained, trained)
        else:
            _copy_into(self.weights, trained)
        _copy_into(self.momentum, momentum(self._network, self._optimizer))
        self.progress = self._rate.now()
        if any(weight.is_cuda for weight in self._network.parameters()):
            torch.cuda.synchronize()  # the copies go beside the loop until here


@dataclass(frozen=True)
class Proof:
    """What lets a server check that it computes what training computed."""

    network: nn.Module
    """Of the trained architecture, on the CPU, in evaluation mode; its weights do not matter."""
    images: Tensor
    """uint8 (n, 3, input_size, input_size) before scaling."""
    pixel_mean: Tensor
    """float32 (3, input_size, input_size) in 0 … 1, on the CPU."""
    transform: Transform

    def golden(self, weights: Tensors) -> dict[str, Tensor]:
        """The images and what `weights` make of them: eager fp32, contiguous memory."""
        self.network.load_state_dict(dict(weights))
        with torch.inference_mode():
            logits = self.network(normalise(self.images, self.pixel_mean, self.transform))
        return {"images": self.images, "logits": logits}


def momentum(network: nn.Module, optimizer: torch.optim.SGD) -> dict[str, Tensor]:
    """The momentum buffers by their parameters' names; empty before the first step."""
    found = {}
    for name, parameter in network.named_parameters():
        buffer = optimizer.state.get(parameter, {}).get("momentum_buffer")
        if buffer is not None:
            found[name] = buffer
    return found


def write(snapshot: Snapshot, proof: Proof, best: Best | None, folder: Path) -> dict[str, Path]:
    """The files of a checkpoint, by their names in it."""
    tensors: dict[str, dict[str, Tensor]] = {
        WEIGHTS: snapshot.weights,
        PREPROCESS: {"pixel_mean": proof.pixel_mean},
        GOLDEN: proof.golden(snapshot.weights),
        OPTIMIZER: snapshot.momentum,
    }
    if snapshot.trained:
        tensors[TRAINED] = snapshot.trained
    for name, content in tensors.items():
        save_file(content, folder / name)
    state = State(best=best, progress=snapshot.progress)
    (folder / STATE).write_text(state.model_dump_json())
    return {name: folder / name for name in (*tensors, STATE)}


def read_tensors(path: Path) -> dict[str, Tensor]:
    return load_file(path)


def read_state(path: Path) -> State:
    return State.model_validate_json(path.read_text())


def restore(
    network: nn.Module, optimizer: torch.optim.SGD, weights: Tensors, momenta: Tensors
) -> None:
    """Make a network and its optimizer what they were. Copies, so memory formats stay."""
    network.load_state_dict(dict(weights))
    for name, parameter in network.named_parameters():
        if name in momenta:
            buffer = torch.empty_like(parameter).copy_(momenta[name])
            optimizer.state[parameter]["momentum_buffer"] = buffer


def _copy_into(buffers: dict[str, Tensor], source: Tensors) -> None:
    for name, tensor in source.items():
        if name not in buffers:
            buffers[name] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
        buffers[name].copy_(tensor.detach(), non_blocking=True)
