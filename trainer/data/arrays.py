"""The validation transform on a whole array of images: the same pixels as `trainer.images.prepare`."""

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from trainer.contract.transform import Transform
from trainer.data.dataset import Images, Split
from trainer.images import prepare


def prepare_split(split: Split, transform: Transform) -> Images:
    return Images(pixels=_prepare(split.images, transform), labels=split.labels)


def _prepare(images: Tensor, transform: Transform) -> Tensor:
    """uint8 (N, H, W) or (N, H, W, 3) → uint8 (N, 3, input_size, input_size)."""
    square = (transform.resize, transform.resize)
    if images.shape[1:3] != square or (transform.mode == "grey") != (images.ndim == 3):
        pictures = (Image.fromarray(image) for image in images.numpy())
        prepared = torch.stack([prepare(picture, transform) for picture in pictures])
        return (
            prepared[:, :1].clone().expand(-1, 3, -1, -1) if transform.mode == "grey" else prepared
        )
    # What already has its size only needs padding: 60,000 images at once instead of one by one.
    channels = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
    padded = functional.pad(channels, (transform.pad,) * 4).contiguous()
    return padded.expand(-1, 3, -1, -1)
