"""The kinds of jobs there are: one union of what is asked, one of what will be done."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from trainer.contract.evaluation import EvaluateSpec, ResolvedEvaluation
from trainer.contract.prediction import PredictSpec, ResolvedPrediction
from trainer.contract.spec import ResolvedSpec, TrainSpec
from trainer.contract.sweep import ResolvedSweep, SweepSpec

Kind = Literal["train", "evaluate", "predict", "sweep"]


def kind_of(body: object) -> object:
    """The kind that a body asks for; a body that does not say wants to train."""
    if isinstance(body, dict):
        return body.get("kind", "train")
    return getattr(body, "kind", None)


JobSpec = Annotated[
    Annotated[TrainSpec, Tag("train")]
    | Annotated[EvaluateSpec, Tag("evaluate")]
    | Annotated[PredictSpec, Tag("predict")]
    | Annotated[SweepSpec, Tag("sweep")],
    Discriminator(kind_of),
]
"""The body of `POST /jobs`."""

Resolved = Annotated[
    ResolvedSpec | ResolvedEvaluation | ResolvedPrediction | ResolvedSweep,
    Field(discriminator="kind"),
]
"""What a job shows and what an attempt obeys."""
