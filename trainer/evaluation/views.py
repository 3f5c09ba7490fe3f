"""How an image is shown to a network: the views of each evaluation protocol, one at a time."""

from collections.abc import Iterator

from torch import Tensor
from torch.nn import functional

from trainer.contract.evaluation import SCALES, Protocol, proportional
from trainer.contract.transform import Transform
from trainer.data.batches import normalise

CROPPED_FROM = 256
"""Side in pixels that the image is enlarged to before crops of 224; for others in proportion."""


def views(
    protocol: Protocol, pixels: Tensor, mean: Tensor, transform: Transform
) -> Iterator[Tensor]:
    """Every view of prepared images uint8 (B, 3, S, S), as float32 (B, 3, s, s) less the mean.

    `mean` is the mean image (3, S, S). All protocols but center show mirror images too, also of data
    sets that training does not mirror: they are part of the protocol.
    """
    match protocol:
        case "center":
            yield normalise(pixels, mean, transform)
        case "10-crop":
            yield from _ten_crops(pixels, mean, transform)
        case "multi-scale":
            yield from _scales(pixels, mean, transform)


def _ten_crops(pixels: Tensor, mean: Tensor, transform: Transform) -> Iterator[Tensor]:
    """AlexNet's: the four corners and the centre of the enlarged image, and their mirror images."""
    side = pixels.shape[-1]
    enlarged = _resized(pixels, proportional(side, CROPPED_FROM), transform)
    end = enlarged.shape[-1] - side
    for top, left in ((0, 0), (0, end), (end, 0), (end, end), (end // 2, end // 2)):
        crop = enlarged[:, :, top : top + side, left : left + side]
        yield crop - mean
        yield crop.flip(-1) - mean


def _scales(pixels: Tensor, mean: Tensor, transform: Transform) -> Iterator[Tensor]:
    """The whole image at each of the scales, and its mirror image."""
    side = pixels.shape[-1]
    for scaled in (proportional(side, scale) for scale in SCALES):
        image = _resized(pixels, scaled, transform)
        # A mean image has a place only in views of its own size. Others get its channels' means:
        # on average the same is subtracted.
        subtracted = mean if scaled == side else mean.mean(dim=(1, 2), keepdim=True)
        yield image - subtracted
        yield image.flip(-1) - subtracted


def _resized(pixels: Tensor, side: int, transform: Transform) -> Tensor:
    """Scaled to 0 … 1 and resized: float32 (B, 3, side, side), bilinear with antialias, not rounded."""
    image = pixels.float() * transform.scale
    if pixels.shape[-1] == side:
        return image
    return functional.interpolate(
        image, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )
