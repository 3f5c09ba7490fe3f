"""What a verification found: the numbers that `residual verify-resume` prints, as data."""

from pydantic import BaseModel, computed_field


class Killed(BaseModel, frozen=True, use_attribute_docstrings=True):
    """An attempt of the disturbed run that was ended by SIGKILL."""

    attempt: int
    resumed_step: int | None
    """Step that it went on from; None: it was killed before it said so."""
    step: int
    """Optimizer steps done when the signal was sent."""
    workers: str
    """'all', or the number of the one."""


class Compared(BaseModel, frozen=True, use_attribute_docstrings=True):
    """One thing that both runs left behind."""

    name: str
    undisturbed: str
    """SHA-256 of a file or of the points' JSON, or a count."""
    disturbed: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def same(self) -> bool:
        return self.undisturbed == self.disturbed


class Verdict(BaseModel, frozen=True, use_attribute_docstrings=True):
    """Whether the resumed run is the run that would have been."""

    what: str
    """Network, data set, recipe, workers and steps."""
    kills: tuple[Killed, ...]
    compared: tuple[Compared, ...]
    wrong: tuple[str, ...]
    """What is not as promised, in sentences; empty when all is."""
    steps: int
    """Of the run."""
    steps_done: int
    """By all attempts of the disturbed run together, up to the steps at which they were killed."""
    seconds: float
    undisturbed_seconds: float

    @computed_field  # type: ignore[prop-decorator]
    @property
    def exact(self) -> bool:
        return not self.wrong
