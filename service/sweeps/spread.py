"""A mean over seeds, and how far the seeds are apart. Used by the report of a sweep."""

from collections.abc import Iterable
from math import hypot
from statistics import fmean, stdev

from pydantic import BaseModel


class Spread(BaseModel, frozen=True, use_attribute_docstrings=True):
    """Of one quantity over the trainings of a row."""

    mean: float
    deviation: float | None
    """Sample standard deviation (n - 1); None for one training."""
    count: int
    """Trainings."""

    def said(self, digits: int = 2) -> str:
        """As the paper writes it: 6.61 ± 0.16."""
        mean = f"{self.mean:.{digits}f}"
        return mean if self.deviation is None else f"{mean} ± {self.deviation:.{digits}f}"


def of(values: Iterable[float]) -> Spread | None:
    """None of no values."""
    found = list(values)
    if not found:
        return None
    apart = stdev(found) if len(found) > 1 else None
    return Spread(mean=fmean(found), deviation=apart, count=len(found))


def between(one: Spread, other: Spread) -> float | None:
    """Standard deviation of the difference of two single trainings; None where neither is known."""
    if one.deviation is None and other.deviation is None:
        return None
    return hypot(one.deviation or 0.0, other.deviation or 0.0)
