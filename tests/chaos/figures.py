"""Figures of an experiment's table, out of what was measured."""

from collections.abc import Sequence
from math import ceil


def percentile(seconds: Sequence[float], percent: int) -> float | None:
    """The least of `seconds` that `percent` of them do not exceed, to 0.1 s; None of none."""
    if not seconds:
        return None
    return round(sorted(seconds)[max(0, ceil(len(seconds) * percent / 100) - 1)], 1)
