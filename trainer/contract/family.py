"""The two kinds of images the paper's networks are made for. Both `archs` and `baselines` sort by it."""

from enum import StrEnum


class Family(StrEnum):
    """Table 1 of the paper (`imagenet`, 224×224 input) or its section 4.2 (`cifar`, 32×32)."""

    IMAGENET = "imagenet"
    CIFAR = "cifar"

    @property
    def input_size(self) -> int:
        """Side in pixels of the square image the paper feeds its networks."""
        return 224 if self is Family.IMAGENET else 32
