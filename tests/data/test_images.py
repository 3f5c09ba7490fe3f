"""Promises of reading images: one picture in any coat gives the same pixels, all else is refused."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from torch import Tensor

from trainer.contract.datasets import DATASETS
from trainer.contract.transform import Transform, for_dataset
from trainer.images import ImageError, ImageTooLarge, NotAnImage, decode, prepare

CIFAR = for_dataset(DATASETS["cifar10"])
FASHION = for_dataset(DATASETS["fashion-mnist"])
LEAST_LOSS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 100, "subsampling": 0},
    "WEBP": {"lossless": True},
}
TRANSFORMS = pytest.mark.parametrize("transform", [CIFAR, FASHION], ids=["rgb", "grey"])


def photo(width: int = 40, height: int = 56) -> Image.Image:
    """Smooth colours, so that JPEG keeps them, and no symmetry, so that a turn shows."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x + y) * 2 % 256], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def grey(width: int = 40, height: int = 56) -> Image.Image:
    return photo(width, height).convert("L")


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(image: Image.Image, transform: Transform, kind: str = "PNG", **options: Any) -> Tensor:
    """What becomes of a picture that is sent as a file."""
    return prepare(decode(encoded(image, kind, **options)), transform)


def with_alpha(image: Image.Image, alpha: int | Image.Image) -> Image.Image:
    layered = image.convert("LA" if image.mode == "L" else "RGBA")
    layered.putalpha(alpha)
    return layered


@TRANSFORMS
def test_an_image_becomes_three_channels_of_the_input_size(transform: Transform) -> None:
    out = pixels(photo(), transform)
    assert out.dtype == torch.uint8
    assert out.shape == (3, 32, 32)
    assert out.is_contiguous()


@TRANSFORMS
def test_opaque_rgba_is_rgb(transform: Transform) -> None:
    assert torch.equal(pixels(with_alpha(photo(), 255), transform), pixels(photo(), transform))


@TRANSFORMS
@pytest.mark.parametrize("image", [photo(), grey()], ids=["rgba", "la"])
def test_what_is_transparent_is_white(image: Image.Image, transform: Transform) -> None:
    white = pixels(Image.new("RGB", image.size, "white"), transform)
    assert torch.equal(pixels(with_alpha(image, 0), transform), white)


@TRANSFORMS
def test_half_transparent_is_halfway_to_white(transform: Transform) -> None:
    black = with_alpha(Image.new("RGB", (32, 32)), 128)
    centre = pixels(black, transform)[:, 8:24, 8:24]
    assert set(centre.flatten().tolist()) == {127}


@TRANSFORMS
def test_a_palette_is_its_colours(transform: Transform) -> None:
    indexed = photo().quantize(64)
    assert torch.equal(pixels(indexed, transform), pixels(indexed.convert("RGB"), transform))


def test_a_transparent_palette_colour_is_white() -> None:
    indexed = Image.new("P", (32, 32), 1)
    indexed.putpalette([0, 0, 0, 10, 20, 30])
    assert pixels(indexed, CIFAR)[:, 0, 0].tolist() == [10, 20, 30]
    assert pixels(indexed, CIFAR, transparency=1)[:, 0, 0].tolist() == [255, 255, 255]


@TRANSFORMS
@pytest.mark.parametrize("factor", [256, 257])
def test_sixteen_bits_of_grey_are_their_upper_eight(factor: int, transform: Transform) -> None:
    deep = Image.fromarray(np.asarray(grey()).astype(np.uint16) * factor)
    assert decode(encoded(deep)).mode == "L"
    assert torch.equal(pixels(deep, transform), pixels(grey(), transform))
    wide = Image.fromarray(np.asarray(deep).astype(np.int32))
    assert torch.equal(prepare(wide, transform), prepare(grey(), transform))


def test_a_transparent_grey_is_white_in_sixteen_bits_too() -> None:
    for dtype, value in ((np.uint8, 7), (np.uint16, 7 * 256)):
        image = Image.fromarray(np.full((32, 32), value, dtype))
        assert (pixels(image, CIFAR) == 7).all()
        assert (pixels(image, CIFAR, transparency=value) == 255).all()


@TRANSFORMS
def test_one_bit_is_black_and_white(transform: Transform) -> None:
    bits = grey().convert("1")
    assert torch.equal(pixels(bits, transform), pixels(bits.convert("L"), transform))
    assert (pixels(Image.new("1", (32, 32), 1), CIFAR) == 255).all()


@TRANSFORMS
def test_grey_is_the_same_in_every_channel_and_as_rgb(transform: Transform) -> None:
    out = pixels(grey(), transform)
    assert torch.equal(out[0], out[1])
    assert torch.equal(out[0], out[2])
    assert torch.equal(out, pixels(grey().convert("RGB"), transform))
    assert torch.equal(out, pixels(with_alpha(grey(), 255), transform))


@TRANSFORMS
def test_cmyk_as_printers_send_it_shows_its_colours(transform: Transform) -> None:
    sent = pixels(photo().convert("CMYK"), transform, "JPEG", quality=100)
    shown = pixels(photo(), transform, "JPEG", quality=100)
    assert (sent.int() - shown.int()).abs().max() <= 6  # JPEG's own loss


@pytest.mark.parametrize(("kind", "loss"), [("PNG", 0), ("WEBP", 0), ("JPEG", 6)])
def test_the_formats_agree(kind: str, loss: int) -> None:
    sent = pixels(photo(32, 32), CIFAR, kind, **LEAST_LOSS[kind]).int()
    assert (sent - prepare(photo(32, 32), CIFAR).int()).abs().max() <= loss


TURNED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation → how a camera that says so has stored the picture."""


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", TURNED)
def test_a_picture_turned_by_exif_stands_upright(orientation: int, kind: str) -> None:
    turn = TURNED[orientation]
    stored = photo() if turn is None else photo().transpose(turn)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    shown = decode(encoded(stored, kind, exif=exif, **LEAST_LOSS[kind]))
    assert shown.size == photo().size
    difference = np.asarray(shown).astype(int) - np.asarray(photo()).astype(int)
    assert np.abs(difference).max() <= (6 if kind == "JPEG" else 0)


def test_exif_that_cannot_be_read_says_nothing() -> None:
    assert decode(encoded(photo(), "JPEG", exif=b"Exif\0\0 not a TIFF")).size == photo().size


def test_only_the_centre_square_counts() -> None:
    wide = Image.new("RGB", (96, 32), "red")
    wide.paste(photo(32, 32), (32, 0))
    assert torch.equal(pixels(wide, CIFAR), pixels(photo(32, 32), CIFAR))


def test_the_size_it_has_already_is_not_resampled() -> None:
    assert torch.equal(
        pixels(photo(32, 32), CIFAR), torch.from_numpy(np.array(photo(32, 32))).permute(2, 0, 1)
    )


def test_padding_is_black_on_every_side() -> None:
    out = pixels(Image.new("L", (28, 28), 255), FASHION)
    assert (out[:, 2:30, 2:30] == 255).all()
    assert out.count_nonzero() == 3 * 28 * 28


def test_a_strip_of_a_pixel_is_no_bomb() -> None:
    for size in ((1, 1_000_000), (1_000_000, 1)):
        assert pixels(Image.new("L", size), FASHION).shape == (3, 32, 32)


def bomb(side: int) -> bytes:
    """A PNG of side² black pixels in a few kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (1 + side // 8)), 9)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [5_008, 13_000, 20_000])
def test_too_many_pixels_are_refused_before_they_are_decoded(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(ImageTooLarge, match="25 megapixels"):
        decode(bomb(side))


def test_25_megapixels_are_taken() -> None:
    assert decode(bomb(5_000)).size == (5_000, 5_000)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(kind: str) -> None:
    frames = {"save_all": True, "append_images": [photo().rotate(90)], "lossless": True}
    with pytest.raises(NotAnImage, match="animated"):
        decode(encoded(photo(), kind, **frames))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_file_cut_short_is_refused(kind: str, part: float) -> None:
    whole = encoded(photo(), kind)
    with pytest.raises(NotAnImage):
        decode(whole[: int(len(whole) * part)])


@pytest.mark.parametrize(
    "data",
    [b"", b"not an image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", bytes(1000)],
)
def test_what_is_no_image_is_told_what_would_be(data: bytes) -> None:
    with pytest.raises(NotAnImage, match="JPEG, PNG or WebP"):
        decode(data)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(NotAnImage, match="JPEG, PNG or WebP"):
        decode(encoded(photo(), kind))


@pytest.mark.filterwarnings("ignore")  # Pillow warns of odd metadata on its way
def test_damage_anywhere_is_an_image_error_or_no_matter() -> None:
    stream = np.random.default_rng(0)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    small = photo(12, 9)
    files = [encoded(small, kind, exif=exif) for kind in ("PNG", "JPEG", "WEBP")]
    files += [encoded(small.quantize(8), transparency=3), encoded(small.convert("CMYK"), "JPEG")]
    for turn in range(1_000):
        damaged = bytearray(files[turn % len(files)])
        for place in stream.integers(len(damaged), size=3):
            damaged[place] = stream.integers(256)
        try:
            image = decode(bytes(damaged))
        except ImageError:
            continue
        assert prepare(image, CIFAR).shape == (3, 32, 32)
