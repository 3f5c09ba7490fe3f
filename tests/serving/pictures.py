"""Image files for the tests of serving."""

from io import BytesIO

import numpy as np
from PIL import Image


def picture(seed: int = 0, width: int = 48, height: int = 40) -> Image.Image:
    """Smooth random colours, so that JPEG keeps them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(seed: int = 0) -> bytes:
    return encoded(picture(seed))
