"""From an image's bytes to what a network is given: data loading, evaluation and serving alike.

decode() reads strangers' files; prepare() executes a `Transform` on any picture.
"""

from io import BytesIO

import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Tensor

from trainer.contract.transform import Transform

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 25_000_000
"""A 20 KB PNG of 13000 × 13000 pixels would fill 0.8 GB."""

TURNS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what makes the picture upright. Pillow's own function also rewrites the EXIF,
and gives up when a tag that does not matter here is damaged."""


class ImageError(ValueError):
    """An image that is not taken; the message says why and what would be.

    ImageError
    ├── NotAnImage      not a JPEG, PNG or WebP picture that can be read
    └── ImageTooLarge   more than 25 megapixels
    """


class NotAnImage(ImageError):
    """The bytes are no picture of a kind that is read here."""


class ImageTooLarge(ImageError):
    """The picture has more pixels than are decoded here."""


def decode(data: bytes) -> Image.Image:
    """The picture in mode L or RGB, upright. Its content decides what it is, not its name.

    Format, size and frames are checked before a pixel is decoded. Raises ImageError.
    """
    image = _header(data)
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(f"{image.width} × {image.height} pixels")
    if image.format in ("PNG", "WEBP") and getattr(image, "is_animated", False):
        raise NotAnImage("the image is animated; send one frame of it as JPEG, PNG or WebP")
    try:
        image.load()
        return flatten(_upright(image))
    except Exception as error:  # decoders raise anything on a stranger's bytes
        raise NotAnImage("the image is damaged or cut short; send it again, whole") from error


def flatten(image: Image.Image) -> Image.Image:
    """The same picture in mode L or RGB: transparency over white, 16 bits of grey cut to their upper 8."""
    if image.mode.startswith("I"):
        grey = np.asarray(image).clip(0, 65_535).astype(np.uint16)
        shown = (grey >> 8).astype(np.uint8)
        shown[grey == image.info.get("transparency")] = 255
        return Image.fromarray(shown)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(image.convert("RGB"), mask=image.getchannel("A"))
        return paper
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def prepare(image: Image.Image, transform: Transform) -> Tensor:
    """What the network is given before scaling: uint8 (3, input_size, input_size)."""
    image = flatten(image).convert("L" if transform.mode == "grey" else "RGB")
    square = np.asarray(_centre(image, transform))  # (S, S) or (S, S, 3)
    planes = square.transpose(2, 0, 1) if square.ndim == 3 else square
    # In NumPy: torch would wake all of its threads for so little, and they spin (7.5 ms of CPU, not 1.1).
    prepared = np.zeros((3, transform.input_size, transform.input_size), dtype=np.uint8)
    inner = slice(transform.pad, transform.pad + transform.resize)
    prepared[:, inner, inner] = planes
    return torch.from_numpy(prepared)


def _centre(image: Image.Image, transform: Transform) -> Image.Image:
    """The centre square at its new size. Only the square is resampled: a strip of 1 × 25 million
    pixels would otherwise grow to gigabytes."""
    square, side = max(1, round(min(image.size) * transform.crop)), transform.resize
    left, top = (image.width - square) / 2, (image.height - square) / 2
    if square == side:
        return image.crop((int(left), int(top), int(left) + side, int(top) + side))
    box = (left, top, left + square, top + square)
    return image.resize((side, side), Image.Resampling.BILINEAR, box=box)


def _header(data: bytes) -> Image.Image:
    """The image with its header read, and no more. Raises ImageError."""
    try:
        return Image.open(BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large("too many pixels") from error
    except Exception as error:  # decoders raise anything on a stranger's bytes
        raise NotAnImage("this is not an image; send a JPEG, PNG or WebP") from error


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; EXIF that cannot be read says nothing."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - as above; the picture itself is good
        return image
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _too_large(said: str) -> ImageTooLarge:
    return ImageTooLarge(
        f"the image has {said}; at most {MAX_PIXELS // 1_000_000} megapixels are read, send a smaller one"
    )
