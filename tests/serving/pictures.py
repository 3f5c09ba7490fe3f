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


def kinds() -> dict[str, bytes]:
    """One file of every kind that is read."""
    shown = picture(7)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90° to stand upright
    clear = shown.convert("RGBA")
    clear.putalpha(128)
    return {
        "rgb": encoded(shown),
        "jpeg": encoded(shown, "JPEG"),
        "webp": encoded(shown, "WEBP"),
        "grey": encoded(shown.convert("L")),
        "one bit": encoded(shown.convert("1")),
        "16 bits": encoded(shown.convert("L").convert("I;16")),
        "palette": encoded(shown.convert("P")),
        "rgba": encoded(clear),
        "cmyk": encoded(shown.convert("CMYK"), "JPEG"),
        "turned": encoded(shown, "JPEG", exif=turned),
        "progressive": encoded(shown, "JPEG", progressive=True),
        "lossless": encoded(shown, "WEBP", lossless=True),
    }
