"""A sweep: what a client may ask (`SweepSpec`), and what will be done (`ResolvedSweep`)."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue, field_validator, model_validator

from trainer.contract import space
from trainer.contract.asked import Placed
from trainer.contract.names import Name
from trainer.contract.presets import Afterwards
from trainer.contract.space import Point, Space
from trainer.contract.spec import TrainFields

Metric = Literal["top1_error", "top5_error", "loss"]
"""On the validation images. Lower is better."""

SearchName = Literal["grid", "random", "asha", "optuna"]

MAX_TRIALS = 1000


OWN = {"kind", "space", "preset", "scale", "search", "register_as", "deploy", "name", "labels"}
"""Fields of a sweep that are not its trials'."""


class Search(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How the points of a sweep's space are tried."""

    name: SearchName = "grid"
    """grid: every point. random: points drawn. asha: those of a grid, or drawn ones if `trials` is given,
    and the worse of them end early. optuna: each is chosen by what came of those before it (TPE)."""
    trials: int | None = Field(default=None, ge=1, le=MAX_TRIALS)
    """How many points are tried. random and optuna need it; a grid has all of its own."""
    at_once: int | None = Field(default=None, ge=1, le=64)
    """Trials at the same time. Default: as many as the cluster holds."""
    seeds: int = Field(default=1, ge=1, le=100)
    """Each point is trained so often, with the seeds `seed`, `seed` + 1, …; the report gives mean and
    standard deviation."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Of the drawing, not of a training."""
    metric: Metric = "top1_error"
    """What makes a trial better: its lowest value on the validation images."""
    max_seconds: float | None = Field(default=None, ge=1)
    """After so long no further trial begins, and those that run end as if asked to. Default: no limit."""
    max_epochs: int | None = Field(default=None, ge=1)
    """The same after so many epochs, of all trials together. Default: no limit."""
    grace_epochs: int = Field(default=1, ge=1, le=100_000)
    """asha: epochs that every trial is given before it is compared. Deeper networks converge later: give
    them more than one."""
    reduction: int = Field(default=3, ge=2, le=16)
    """asha: at each rung one trial of so many goes on, and the next rung is so many times as far."""

    @model_validator(mode="after")
    def _some_trials(self) -> "Search":
        if self.name in {"random", "optuna"} and self.trials is None:
            raise ValueError(f"{self.name} needs 'trials': how many points it shall try")
        if self.name == "grid" and self.trials is not None:
            raise ValueError("a grid tries all of its points; leave 'trials' out, or search random")
        if self.name == "optuna" and self.seeds > 1:
            raise ValueError("optuna learns from each trial; leave 'seeds' out, or vary 'seed'")
        return self


class SweepSpec(TrainFields, frozen=True, extra="forbid"):
    """The body of `POST /jobs` for a sweep: the fields of a training that all its trials share, and what
    varies."""

    kind: Literal["sweep"]
    """What the job does."""
    space: Space | None = Field(
        default=None, examples=[{"arch": ["plain", "resnet"], "depth": [20, 32], "seed": [0, 1]}]
    )
    """Fields to vary, each with its values or a range; or the points themselves, as a list."""
    preset: Name | None = Field(default=None, examples=["paper-table-6"])
    """A table or figure of the paper, instead of `space`: its networks, its recipe, its data unless
    `dataset` names others."""
    scale: float | None = Field(default=None, gt=0, le=1)
    """Of `preset`: how much of the paper's length each training has. Default: all of it."""
    search: Search = Search()
    """grid, random, asha or optuna, or its fields."""

    deploy: bool = False
    """Whether the model of `register_as` is deployed when the best trial is registered."""

    @field_validator("search", mode="before")
    @classmethod
    def _search_by_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _space_or_preset(self) -> "SweepSpec":
        if (self.space is None) == (self.preset is None):
            raise ValueError("give either 'space' or 'preset'")
        if self.deploy and self.register_as is None:
            raise ValueError("'deploy' needs 'register_as': the name of the model")
        if self.scale is not None and self.preset is None:
            raise ValueError("'scale' belongs to 'preset'; give 'epochs' or 'iterations'")
        if self.preset is not None and self.search.name not in {"grid", "asha"}:
            raise ValueError("a preset says which points there are; search 'grid' or 'asha'")
        return self

    def base(self) -> dict[str, Any]:
        """What was said of every trial's training, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True, exclude=OWN)


class ResolvedSweep(Placed, frozen=True, extra="forbid"):
    """A `SweepSpec` with nothing left to decide but what its trials come to. Its own process takes nothing
    of the cluster: each trial is a job with workers of its own."""

    kind: Literal["sweep"]
    base: dict[str, JsonValue]
    """What was said of every trial's training."""
    space: Space
    search: Search
    points: tuple[Point, ...] | None
    """Of all trials in their order, where they are known beforehand: those of a grid, with their seeds."""
    preset: str | None = None
    """The table or figure of the paper that it has the design of."""
    scale: float | None = None
    """Of the paper's length, as asked for."""
    afterwards: Afterwards | None = None
    """What is evaluated when all trainings have ended."""
    trials: int
    """How many there will be."""
    epochs: int
    """Of the longest trial; what ASHA's rungs divide."""
    register_as: Name | None
    """Model name under which the best trial's checkpoint is registered."""
    deploy: bool = False
    """Whether that model is then deployed."""

    def point(self, number: int) -> Point:
        """Of the trial `number`, from 1, unless a model chooses it."""
        if self.points is not None:
            return self.points[number - 1]
        seeds = self.search.seeds
        drawn = space.drawn(self.space, seed=self.search.seed, number=1 + (number - 1) // seeds)
        return seeded(drawn, self.base, (number - 1) % seeds) if seeds > 1 else drawn


def seeded(point: Point, base: Mapping[str, JsonValue], repetition: int) -> Point:
    """The point's `repetition`th training, from 0: each has a seed of its own."""
    first = point.get("seed", base.get("seed", 0))
    return point | {"seed": int(str(first)) + repetition}
