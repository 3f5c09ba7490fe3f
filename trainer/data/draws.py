"""Random streams, one for each purpose: no option of a recipe changes what another one draws.

Pure functions of (seed, purpose, step or epoch); `batches`, `augment`, `colour` and `mixing` draw.
"""

from enum import IntEnum, unique

import numpy as np


@unique
class Draw(IntEnum):
    """What a random stream is for, so that no two of a seed are the same."""

    ORDER = 0
    SHIFT_AND_MIRROR = 1
    SCALE = 2
    COLOUR = 3
    PARTNERS = 4
    MIXUP_OR_CUTMIX = 5
    MIXUP = 6
    CUTMIX = 7


def stream(seed: int, draw: Draw, at: int) -> np.random.Generator:
    """`at` is a step or an epoch, whichever the purpose changes with."""
    return np.random.default_rng((seed, draw, at))
