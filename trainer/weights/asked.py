"""What an administrator says of a file that is imported."""

from typing import NamedTuple

Channels = tuple[float, float, float]
"""Of red, green and blue."""


class Asked(NamedTuple):
    """None leaves it to the file, or to its layout."""

    layout: str | None = None
    class_names: tuple[str, ...] | None = None
    """In the order of the network's outputs."""
    mean: Channels | None = None
    """Subtracted from the pixels in 0 … 1."""
    std: Channels | None = None
    """Divides what is left."""
    resize: int | None = None
    """Shorter side in pixels that an image is resized to; the network sees its centre."""
