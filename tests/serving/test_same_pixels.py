"""What a network is given for a picture is, to the bit, what Pillow and a transform written out give."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from tests.serving.pictures import encoded, picture
from trainer.contract.transform import Transform
from trainer.images import decode, prepare

SIZES = [(48, 40), (17, 90), (224, 224), (301, 200)]


def written_out(data: bytes, transform: Transform) -> torch.Tensor:
    """uint8 (3, S, S): decode, centre square, resize, channels first, pad."""
    image = Image.open(BytesIO(data)).convert("L" if transform.mode == "grey" else "RGB")
    square = max(1, round(min(image.size) * transform.crop))
    left, top = (image.width - square) / 2, (image.height - square) / 2
    if square == transform.resize:
        image = image.crop((int(left), int(top), int(left) + square, int(top) + square))
    else:
        box = (left, top, left + square, top + square)
        image = image.resize((transform.resize,) * 2, Image.Resampling.BILINEAR, box=box)
    pixels = torch.from_numpy(np.array(image))
    pixels = pixels.expand(3, -1, -1) if pixels.ndim == 2 else pixels.permute(2, 0, 1)
    return functional.pad(pixels, (transform.pad,) * 4)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["rgb", "grey"])
@pytest.mark.parametrize(("resize", "pad"), [(32, 0), (28, 2), (224, 0)])
@pytest.mark.parametrize("crop", [1.0, 0.875])
def test_pixels_are_those_of_a_transform_written_out(
    size: tuple[int, int], mode: str, resize: int, pad: int, crop: float
) -> None:
    transform = Transform.model_validate(
        {"mode": mode, "crop": crop, "resize": resize, "pad": pad, "input_size": resize + 2 * pad}
    )
    for kind in ("JPEG", "PNG"):
        data = encoded(picture(3, *size), kind)
        found = prepare(decode(data), transform)
        assert found.is_contiguous()
        assert torch.equal(found, written_out(data, transform))
