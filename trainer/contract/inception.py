"""GoogLeNet's inception modules as data (Szegedy et al. 2014, Table 1). `weighted` counts by it; the
network itself is torchvision's."""

from typing import NamedTuple


class Inception(NamedTuple):
    """Output channels of the convolutions of one module, whose branches are concatenated."""

    name: str
    one: int
    """Of the 1×1 alone."""
    reduce3: int
    three: int
    reduce5: int
    five: int
    """Of the 5×5, which torchvision makes a 3×3 (its issue 906)."""
    pool: int
    """Of the 1×1 after the pooling branch."""

    @property
    def channels(self) -> int:
        return self.one + self.three + self.five + self.pool


STAGES: tuple[tuple[Inception, ...], ...] = (
    (
        Inception("inception3a", 64, 96, 128, 16, 32, 32),
        Inception("inception3b", 128, 128, 192, 32, 96, 64),
    ),
    (
        Inception("inception4a", 192, 96, 208, 16, 48, 64),
        Inception("inception4b", 160, 112, 224, 24, 64, 64),
        Inception("inception4c", 128, 128, 256, 24, 64, 64),
        Inception("inception4d", 112, 144, 288, 32, 64, 64),
        Inception("inception4e", 256, 160, 320, 32, 128, 128),
    ),
    (
        Inception("inception5a", 256, 160, 320, 32, 128, 128),
        Inception("inception5b", 384, 192, 384, 48, 128, 128),
    ),
)
"""Between two of them max-pooling halves the image."""

AUXILIARY = ("inception4a", "inception4d")
"""The modules whose output an auxiliary classifier sees while training: average pooling to 4×4, a 1×1
convolution to 128 channels, and two fully connected layers, 1024 and classes wide."""
