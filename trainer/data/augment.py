"""Where in its image each image of a training batch is seen: scale jitter, mirror, padded crop.

Drawn for a whole batch, so that the ranks agree; applied to the images that a rank needs.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from trainer.contract.recipes import Recipe
from trainer.data.draws import Draw, stream

PAPER_SIDE = 224
"""Side in pixels of the crop that a recipe's `shorter_side` is said for."""


class Views(NamedTuple):
    """How B images are seen. None leaves them as they are."""

    windows: Tensor | None
    """int64 (B, 3): side of the enlarged picture, top and left of the window in it, in pixels."""
    mirrored: Tensor | None
    """bool (B,)."""
    shifts: Tensor | None
    """int64 (B, 2): top and left of the window in the padded picture, 0 to 2 × padding."""

    def of(self, positions: Tensor) -> "Views":
        """Those of the images at `positions` in the batch, int64 (b,)."""
        return Views(*(None if part is None else part[positions] for part in self))


def draw_views(recipe: Recipe, side: int, *, seed: int, step: int, batch_size: int) -> Views:
    """How each of a step's images, of `side` pixels, is seen."""
    draws = stream(seed, Draw.SHIFT_AND_MIRROR, step)
    shifts = draws.integers(2 * recipe.crop_padding + 1, size=(batch_size, 2))
    mirrored = draws.random(batch_size) < 0.5
    least, greatest = (round(bound * side / PAPER_SIDE) for bound in recipe.shorter_side)
    windows = None
    if greatest > side:
        draws = stream(seed, Draw.SCALE, step)
        sides = draws.integers(least, greatest + 1, size=(batch_size, 1))
        corners = draws.integers(sides - side + 1, size=(batch_size, 2))
        windows = torch.from_numpy(sides), torch.from_numpy(corners)
    return Views(
        windows=torch.cat(windows, dim=1) if windows else None,
        mirrored=torch.from_numpy(mirrored) if recipe.flip else None,
        shifts=torch.from_numpy(shifts) if recipe.crop_padding else None,
    )


def view(pixels: Tensor, views: Views, *, padding: int, border: Tensor) -> Tensor:
    """uint8 (b, C, S, S) → the same shape. `border` (C, S, S) is what padding shows at its place.

    The padded crop comes last: its border must lie where the mean that is subtracted lies.
    """
    if views.windows is not None:
        pixels = _enlarge(pixels, views.windows)
    if views.mirrored is not None:
        pixels = torch.where(views.mirrored[:, None, None, None], pixels.flip(-1), pixels)
    if views.shifts is not None:
        pixels = _crop(pixels, views.shifts, padding, border)
    return pixels


def _enlarge(pixels: Tensor, windows: Tensor) -> Tensor:
    """S × S windows of pictures enlarged to their side in `windows`, without enlarging the rest.

    The paper enlarges the original image; here it is the one prepared for the network.
    """
    side = pixels.shape[-1]
    centres = windows[:, 1:, None] + torch.arange(side) + 0.5  # (b, 2, S), in enlarged pixels
    places = (2 * centres.double() / windows[:, :1, None] - 1).float()  # −1 to 1 over the picture
    rows, columns = places.unbind(1)
    square = (-1, side, side)
    grid = torch.stack([columns[:, None].expand(square), rows[:, :, None].expand(square)], dim=-1)
    seen = functional.grid_sample(
        pixels.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return seen.round_().to(torch.uint8)


def _crop(pixels: Tensor, shifts: Tensor, padding: int, border: Tensor) -> Tensor:
    """The padded images seen through a window at `shifts` (b, 2): rows and columns.

    The paper pads with zeros after subtracting the mean. Here the mean is subtracted last, as in
    the stored transform, so padding takes the mean's own value `border` (C, S, S) at its place.
    """
    side = pixels.shape[-1]
    windows = functional.pad(pixels, (padding,) * 4).unfold(2, side, 1).unfold(3, side, 1)
    seen = windows[torch.arange(len(pixels)), :, shifts[:, 0], shifts[:, 1]]  # (b, C, S, S)
    places = shifts[:, :, None] + torch.arange(side)  # (b, 2, S)
    inside = (places >= padding) & (places < padding + side)
    both = inside[:, 0, :, None] & inside[:, 1, None, :]  # (b, S, S)
    return torch.where(both[:, None], seen, border)
