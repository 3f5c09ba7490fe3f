"""One worker's part of a training run: what `setup` makes and the loop changes."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from trainer.contract.spec import ResolvedSpec
from trainer.data.dataset import Dataset
from trainer.training.average import Average
from trainer.training.device import Chosen
from trainer.training.group import Group
from trainer.training.pulse import Pulse
from trainer.training.schedule import LearningRate
from trainer.training.stopping import Stopping


@dataclass(frozen=True)
class Learner:
    """Everything that a step needs."""

    spec: ResolvedSpec
    dataset: Dataset
    network: nn.Module
    """What the optimizer changes."""
    model: nn.Module
    """What is trained: the network itself, or wrapped so that gradients are averaged over workers."""
    optimizer: torch.optim.SGD
    rate: LearningRate
    stopping: Stopping
    pixel_mean: Tensor
    """(3, input_size, input_size) on the device."""
    device: torch.device
    precision: Chosen
    group: Group
    average: Average | None = None
    """Of the network's weights, where the recipe asks for one."""
    draws: bool = False
    """Whether the network draws random numbers: it has dropout."""
    pulse: Pulse = field(default_factory=Pulse)
    """What the loop waits for."""

    @property
    def result(self) -> nn.Module:
        """What is evaluated, kept and served: the average, or else the network."""
        return self.average.network if self.average else self.network
