"""What the driver gives to a worker, and what it hears back. Both travel as JSON."""

from pydantic import BaseModel

from trainer.contract.parts import Listed, Part
from trainer.contract.reasons import Reason


class Task(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A part to be made."""

    number: int
    start: int
    """Its first row."""
    stop: int
    """The row after its last."""
    files: tuple[Listed, ...]
    """Of its rows, if they are files."""

    @property
    def rows(self) -> range:
        return range(self.start, self.stop)


class Report(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What came of a task: the one or the other."""

    part: Part | None = None
    failed: Reason | None = None
    trace: str = ""
    """Of the failure, for the log."""
    worker: str
    """Who did it, and with which engine."""
    seconds: float
    """That it took, without the loading of the model."""
