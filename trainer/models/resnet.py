"""The networks of "Deep Residual Learning for Image Recognition": plain and residual, both families.

Everything about a network is in its `Architecture`; `build` makes one ready to train.
"""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional

from trainer.contract.archs import Architecture
from trainer.models.recompute import recomputed


class ConvNorm(nn.Module):
    """A convolution without bias, then batch normalisation.

    (B, c_in, H, W) → (B, c_out, H/stride, W/stride), odd sides rounded up
    """

    def __init__(self, kernel: int, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(x))
        return out


class PaddedIdentity(nn.Module):
    """Option A where dimensions grow: every stride-th pixel, and zeros for the new channels.

    The zeros come last, so that each channel of `x` is added to the channel of its own number.
    (B, c_in, H, W) → (B, c_out, H/stride, W/stride), without a parameter.
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.new_channels = c_out - c_in
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, 0, self.new_channels))


class BasicBlock(nn.Module):
    """Two 3×3, plus a shortcut. (B, c_in, H, W) → (B, width, H/stride, W/stride)"""

    def __init__(self, c_in: int, width: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, c_in, width, stride)
        self.conv2 = ConvNorm(3, width, width)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv1(x).relu()
        y = self.conv2(y)
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return y.relu()


class Bottleneck(nn.Module):
    """1×1 down, 3×3, 1×1 up, plus a shortcut. (B, c_in, H, W) → (B, 4·width, H/stride, W/stride)

    `strides` are those of the first 1×1 and of the 3×3: one of the two halves the image.
    """

    def __init__(
        self, c_in: int, width: int, strides: tuple[int, int], shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1 = ConvNorm(1, c_in, width, strides[0])
        self.conv2 = ConvNorm(3, width, width, strides[1])
        self.conv3 = ConvNorm(1, width, 4 * width)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv1(x).relu()
        y = self.conv2(y).relu()
        y = self.conv3(y)
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return y.relu()


class ResNet(nn.Module):
    """A stem, stages of blocks, global average pooling and a classifier.

    (B, 3, H, W) → logits (B, classes). Without shortcuts it is the paper's plain network.
    With `checkpoint_activations`, the backward pass computes each block a second time.
    """

    def __init__(
        self, arch: Architecture, classes: int, *, checkpoint_activations: bool = False
    ) -> None:
        super().__init__()
        self.stem = stem(arch)
        self.stages = nn.Sequential(*stages(arch))
        self.fc = nn.Linear(arch.stages[-1].width * arch.expansion, classes)
        self.checkpoint_activations = checkpoint_activations

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = recomputed(stage, x) if self.checkpoint_activations else stage(x)
        x = x.mean(dim=(2, 3))  # (B, C, H, W) → (B, C)
        logits: Tensor = self.fc(x)
        return logits


def stem(arch: Architecture) -> nn.Sequential:
    """7×7/2 and 3×3/2 max-pool for ImageNet (a quarter of the side remains); one 3×3 for CIFAR, and for
    other small images."""
    if not arch.large_stem:
        return nn.Sequential(ConvNorm(3, 3, arch.stem_width), nn.ReLU())
    return nn.Sequential(
        ConvNorm(7, 3, arch.stem_width, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
    )


def stages(arch: Architecture) -> Iterator[nn.Sequential]:
    """conv2_x, conv3_x, … of Table 1: blocks of one width, of which the first may halve the image."""
    c_in = arch.stem_width
    for count, width, stride in arch.stages:
        c_out = width * arch.expansion
        first = block(arch, c_in, width, stride)
        yield nn.Sequential(first, *(block(arch, c_out, width, 1) for _ in range(count - 1)))
        c_in = c_out


def block(arch: Architecture, c_in: int, width: int, stride: int) -> nn.Module:
    shortcut = connection(arch, c_in, width * arch.expansion, stride)
    if not arch.bottleneck:
        return BasicBlock(c_in, width, stride, shortcut)
    strides = (stride, 1) if arch.stride == "v1" else (1, stride)
    return Bottleneck(c_in, width, strides, shortcut)


def connection(arch: Architecture, c_in: int, c_out: int, stride: int) -> nn.Module | None:
    """The shortcut around one block: options A, B and C of the paper, or none."""
    if arch.shortcut is None:
        return None
    grows = stride != 1 or c_in != c_out
    if arch.shortcut == "C" or (arch.shortcut == "B" and grows):
        return ConvNorm(1, c_in, c_out, stride)
    return PaddedIdentity(c_in, c_out, stride) if grows else nn.Identity()


def initialise(network: nn.Module, *, zero_init: bool = False) -> None:
    """He et al. (2015): convolutions normal with variance 2 / fan-out. From torch's own seed.

    `zero_init` (not in the paper): residual blocks begin as their shortcuts, for the scale of their last
    batch normalisation is zero.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if (
            zero_init
            and isinstance(module, BasicBlock | Bottleneck)
            and module.shortcut is not None
        ):
            last = module.conv3 if isinstance(module, Bottleneck) else module.conv2
            nn.init.zeros_(last.norm.weight)
