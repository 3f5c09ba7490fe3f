"""Small ResNets shaped and named as in three repositories, written for these tests."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.contract.archs import IMAGENET_BLOCKS

Padding = nn.Module | None


class ZerosOnBothSides(nn.Module):
    """akamaster's option A: every second pixel, and half of the new channels on either side."""

    def __init__(self, new: int) -> None:
        super().__init__()
        self.new = new

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.new // 2, self.new // 2))


class Block(nn.Module):
    """Basic for `expansion` 1, bottleneck for 4; its shortcut is a module called `connection`."""

    def __init__(  # noqa: PLR0917
        self, c_in: int, width: int, stride: int, expansion: int, connection: str, padded: bool
    ) -> None:
        super().__init__()
        c_out = width * expansion
        kernels = [(3, c_in, width, stride), (3, width, width, 1)]
        if expansion == 4:
            kernels = [(1, c_in, width, 1), (3, width, width, stride), (1, width, c_out, 1)]
        self.last = len(kernels)
        for i, (kernel, a, b, s) in enumerate(kernels, start=1):
            self.add_module(f"conv{i}", nn.Conv2d(a, b, kernel, s, kernel // 2, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(b))
        self.connection = connection
        if stride != 1 or c_in != c_out:
            projection = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
            )
            self.add_module(connection, ZerosOnBothSides(c_out - c_in) if padded else projection)
        else:
            self.add_module(connection, nn.Sequential())

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i in range(1, self.last + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            y = y.relu() if i < self.last else y
        shortcut: Tensor = self.get_submodule(self.connection)(x)
        return (y + shortcut).relu()


class Net(nn.Module):
    """conv1, bn1, layer1 …, a mean, and the classifier under the name it has there."""

    def __init__(  # noqa: PLR0917
        self,
        blocks: tuple[int, ...],
        width: int,
        expansion: int,
        connection: str,
        classifier: str,
        classes: int,
        padded: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        make = partial(Block, expansion=expansion, connection=connection, padded=padded)
        c_in, self.layers, self.classifier = width, len(blocks), classifier
        for i, count in enumerate(blocks):
            wide = width * 2**i
            first = make(c_in, wide, 1 if i == 0 else 2)
            rest = [make(wide * expansion, wide, 1) for _ in range(count - 1)]
            self.add_module(f"layer{i + 1}", nn.Sequential(first, *rest))
            c_in = wide * expansion
        self.add_module(classifier, nn.Linear(c_in, classes))

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        for i in range(self.layers):
            x = self.get_submodule(f"layer{i + 1}")(x)
        logits: Tensor = self.get_submodule(self.classifier)(x.mean(dim=(2, 3)))
        return logits


def akamaster(depth: int, *, option: str = "A", classes: int = 10) -> Net:
    blocks = ((depth - 2) // 6,) * 3
    return Net(blocks, 16, 1, "shortcut", "linear", classes, padded=option == "A")


def chenyaofo(depth: int, *, classes: int = 10) -> Net:
    return Net(((depth - 2) // 6,) * 3, 16, 1, "downsample", "fc", classes)


def kuangliu(depth: int, *, classes: int = 10) -> Net:
    expansion = 4 if depth >= 50 else 1
    return Net(IMAGENET_BLOCKS[depth], 64, expansion, "shortcut", "linear", classes)


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """In evaluation mode, with statistics and factors of batch normalisation that show a mistake."""
    stream = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=stream)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5, generator=stream)  # type: ignore[union-attr]
            with torch.no_grad():
                module.weight.uniform_(0.2, 0.6, generator=stream)
                module.bias.normal_(0, 0.1, generator=stream)
    return network.eval().requires_grad_(False)
