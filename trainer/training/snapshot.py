"""A training state as CPU copies and as files, and back. Checkpoints are written from the copies."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.func import functional_call

from trainer.contract.archs import Network
from trainer.contract.attempts import Best
from trainer.contract.checkpoints import GOLDEN, OPTIMIZER, PREPROCESS, STATE, TRAINED, WEIGHTS
from trainer.contract.counting import multiply_adds
from trainer.contract.objects.store import Piece
from trainer.contract.transform import Transform
from trainer.data.batches import normalise
from trainer.training.average import Average
from trainer.training.copying import Copier, InThread, OnDevice
from trainer.training.packing import Packed, in_order, room
from trainer.training.schedule import LearningRate, Progress
from trainer.training.stopping import Standstill, Stopping

GOLDEN_IMAGES = 16
"""At most: small networks have as many."""
GOLDEN_MULTIPLY_ADDS = 2e9
"""What a checkpoint's golden batch may cost, at two images or more: a twelfth of a second of one core."""

Tensors = Mapping[str, Tensor]


class State(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A STATE file: what of a training state is no tensor, and does not follow from the step."""

    best: Best | None
    """Best checkpoint so far."""
    progress: Progress = Progress()
    """Of the learning rate. Checkpoints of earlier versions have none, and their recipes need none."""
    standstill: Standstill = Standstill()
    """Of early stopping."""


class Snapshot:
    """CPU copies of a training state, in buffers that are used again each time. Whoever reads them is
    done before the next `take`.

    Nothing but an optimizer's step changes parameters and momenta. So they are copied while the loop
    goes on, and the next such step waits for what is not copied by then: most often for nothing.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.SGD,
        rate: LearningRate,
        average: Average | None = None,
        stopping: Stopping | None = None,
    ) -> None:
        self._network = network
        self._optimizer = optimizer
        self._rate = rate
        self._stopping = stopping
        # All of these are only ever written in place: what is found now is what is there later.
        trained = network.state_dict(keep_vars=True)
        kept = average.network.state_dict(keep_vars=True) if average else trained
        self.weights: Tensors = _room(kept)
        """The average's, where there is one."""
        self.trained: Tensors = _room(trained) if average else {}
        """The network's, where `weights` are an average."""
        self.momentum: Tensors = {}
        """Empty before the first step."""
        self.progress = Progress()
        self.standstill = Standstill()
        pairs = list(zip(kept.values(), self.weights.values(), strict=True))
        if average:
            pairs += zip(trained.values(), self.trained.values(), strict=True)
        self._parameters = [pair for pair in pairs if isinstance(pair[0], nn.Parameter)]
        self._statistics = [pair for pair in pairs if not isinstance(pair[0], nn.Parameter)]
        """What a forward pass changes."""
        moving = any(group["momentum"] for group in optimizer.param_groups)
        self._momenta = _room(dict(network.named_parameters()) if moving else {})
        self._copier = _copier(next(iter(kept.values())).device)
        optimizer.register_step_pre_hook(lambda *_: self._copier.before_changes())

    def take(self) -> None:
        """Begin to copy what is there now. The training loop waits for little more than this."""
        momenta = momentum(self._network, self._optimizer)
        self.momentum = {name: self._momenta[name] for name in momenta}
        pairs = zip(momenta.values(), self.momentum.values(), strict=True)
        self._copier.begin([*self._parameters, *pairs], at_once=self._statistics)
        self.progress = self._rate.now()
        self.standstill = self._stopping.state if self._stopping else Standstill()

    def settle(self) -> None:
        """Return when the copies are whole: before that nobody reads them."""
        self._copier.settle()


@dataclass(frozen=True)
class Proof:
    """What lets a server check that it computes what training computed."""

    network: nn.Module
    """Of the trained architecture, in evaluation mode; it may lie on the meta device, with no weights."""
    images: Tensor
    """uint8 (n, 3, input_size, input_size) before scaling."""
    pixel_mean: Tensor
    """float32 (3, input_size, input_size) in 0 … 1, on the CPU."""
    transform: Transform

    def golden(self, weights: Tensors) -> dict[str, Tensor]:
        """The images and what `weights`, in order, make of them: eager fp32."""
        normal = normalise(self.images, self.pixel_mean, self.transform)
        with torch.inference_mode():
            logits = functional_call(self.network, dict(weights), (normal,), strict=True)
        return {"images": self.images, "logits": logits}


def golden_count(network: Network, classes: int, side: int) -> int:
    """Images in the golden batch of a network for images of `side` pixels. All of its weights have a part
    in the answer to any one; two show that images are not mixed up."""
    affordable = GOLDEN_MULTIPLY_ADDS // multiply_adds(network, classes, side)
    return min(GOLDEN_IMAGES, max(2, int(affordable)))


def momentum(network: nn.Module, optimizer: torch.optim.SGD) -> dict[str, Tensor]:
    """The momentum buffers by their parameters' names; empty before the first step."""
    found = {}
    for name, parameter in network.named_parameters():
        buffer = optimizer.state.get(parameter, {}).get("momentum_buffer")
        if buffer is not None:
            found[name] = buffer
    return found


def files(snapshot: Snapshot, proof: Proof, best: Best | None) -> dict[str, Iterable[Piece]]:
    """Of a checkpoint, by their names in it: most of it the snapshot's own memory. Each can be read again."""
    weights = {name: in_order(tensor) for name, tensor in snapshot.weights.items()}
    tensors: dict[str, Tensors] = {
        WEIGHTS: weights,
        PREPROCESS: {"pixel_mean": proof.pixel_mean},
        GOLDEN: proof.golden(weights),
        OPTIMIZER: snapshot.momentum,
    }
    if snapshot.trained:
        tensors[TRAINED] = snapshot.trained
    state = State(best=best, progress=snapshot.progress, standstill=snapshot.standstill)
    packed = {name: Packed(content) for name, content in tensors.items()}
    return {**packed, STATE: [state.model_dump_json().encode()]}


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


def _room(sources: Tensors) -> dict[str, Tensor]:
    """On the CPU for each: as they lie in a file, so that what is in channels last is put in order as it is
    copied; but laid out as it is on a GPU, which then copies by itself. Written once: the system hands out
    memory when it is first touched, and the first checkpoint shall take no longer than the others."""
    if not any(source.is_cuda for source in sources.values()):
        return room(sources)
    return {
        name: torch.empty_like(source, device="cpu", requires_grad=False, pin_memory=True).zero_()
        for name, source in sources.items()
    }


def _copier(device: torch.device) -> Copier:
    return OnDevice(device) if device.type == "cuda" else InThread()
