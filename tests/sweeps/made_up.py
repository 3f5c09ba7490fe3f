"""Sweeps that nobody ran, with plausible curves: for the tests of reports and of their pictures."""

import random
from collections.abc import Iterable, Sequence
from math import exp
from typing import Any

from service.lifecycle import State
from service.sweeps.measured import MeasuredTrial, ReportInput
from trainer.contract.datasets import DATASETS, DatasetInfo
from trainer.contract.evaluation import Evaluation, Protocol
from trainer.contract.presets import expand, find
from trainer.contract.reasons import Code, reason
from trainer.contract.resolve import resolve
from trainer.contract.space import Point, placed
from trainer.contract.spec import ResolvedSpec, TrainSpec
from trainer.contract.trials import TrialPoint

IMAGENET = DatasetInfo(
    name="imagenet",
    description="ImageNet's 1000 classes",
    source="download",
    licence="for research",
    classes=tuple(f"class-{i}" for i in range(1000)),
    train_images=1_281_167,
    val_images=50_000,
    stored_size=256,
    grey=False,
    input_size=224,
    mirrored=True,
)

DATA = DATASETS | {"imagenet": IMAGENET}

PAPER_CIFAR = {"dataset": "cifar10", "recipe": "paper-cifar"}
"""The rest of a training that is the paper's in everything."""


def spec(point: Point, **base: Any) -> ResolvedSpec:
    asked = TrainSpec.model_validate(placed(base, point))
    return resolve(asked, DATA[asked.dataset], gpus=1)


def trial(number: int, point: Point, errors: Sequence[float], **fields: Any) -> MeasuredTrial:
    """A finished one with these validation errors by epoch; `base` is the rest of its training."""
    base = fields.pop("base", PAPER_CIFAR)
    made = spec(point, **base)
    given = {
        "spec": made,
        "state": State.SUCCEEDED,
        "minutes": 10.0,
        "training": dict(enumerate(errors, start=1)),
        "validations": validations(errors, made.steps_per_epoch),
    }
    return MeasuredTrial(number=number, point=point, **(given | fields))


def validations(errors: Iterable[float], steps: int = 390) -> tuple[TrialPoint, ...]:
    return tuple(
        TrialPoint(epoch=i, step=i * steps, top1_error=e, top5_error=e / 10, loss=e / 30)
        for i, e in enumerate(errors, start=1)
    )


def evaluation(protocol: Protocol, top1: float, top5: float) -> Evaluation:
    return Evaluation(
        protocol=protocol,
        dataset="imagenet",
        models=(),
        top1_error=top1,
        top5_error=top5,
        loss=1.0,
        images=50_000,
        views=10,
    )


def stopped(found: MeasuredTrial, epochs: int) -> MeasuredTrial:
    """As if the search had ended it after so many epochs."""
    why = reason(Code.STOPPED_BY_SEARCH, "It was not among the best.")
    return found.model_copy(
        update={
            "reason": why,
            "validations": found.validations[:epochs],
            "training": {e: v for e, v in found.training.items() if e <= epochs},
        }
    )


def report_input(trials: Iterable[MeasuredTrial], **fields: Any) -> ReportInput:
    made = tuple(trials)
    varied = tuple(dict.fromkeys(field for each in made for field in each.point))
    given = {"title": "a sweep", "varied": varied, "metric": "top1_error"}
    return ReportInput(trials=made, **(given | fields))


def looked_into(given: ReportInput) -> ReportInput:
    """As if the layers of each network had been measured: residual ones respond less, as in Fig. 7."""
    trials = []
    for each in given.trials:
        assert each.spec is not None
        chance, layers = random.Random(f"{each.point}"), each.spec.depth - 1
        much = 1.2 if each.spec.arch.startswith("plain") else 8 / layers
        responses = tuple(much * (1 + 0.2 * chance.random()) for _ in range(layers))
        trials.append(each.model_copy(update={"responses": responses}))
    return given.model_copy(update={"trials": tuple(trials)})


def preset_input(name: str, dataset: str | None = None, scale: float = 1.0) -> ReportInput:
    """A preset with curves as one would expect them."""
    design = expand(name, dataset=DATA[dataset or find(name).dataset], scale=scale)
    trials = (plausible(i, point, design.base) for i, point in enumerate(design.points, start=1))
    return report_input(trials, title=design.title, preset=name, scale=scale)


def plausible(number: int, point: Point, base: dict[str, Any], epochs: int = 0) -> MeasuredTrial:
    """Falling errors in which plain networks suffer from depth and residual ones gain by it."""
    made = spec(point, **base)
    count = epochs or made.epochs
    chance = random.Random(f"{point}")
    end = 6.3 + 30 / made.depth + chance.gauss(0, 0.25)
    if made.arch.startswith("plain"):
        end = 7 + made.depth / 7 + chance.gauss(0, 0.4)
    errors, training = [], {}
    for epoch in range(1, count + 1):
        part = epoch / count
        fallen = 0.35 if part < 0.5 else 0.1 if part < 0.75 else 0.03
        level = end + (85 - end) * (0.4 * exp(-8 * part) + 0.6 * exp(-40 * part))
        errors.append(level + fallen * abs(chance.gauss(0, 12)) + fallen * 10)
        training[epoch] = max(0.05, level - 4 * part + fallen * 12 + fallen * chance.gauss(0, 1))
    final = evaluation(made.protocol, end, end / 4) if made.protocol != "center" else None
    fields = {"training": training, "evaluation": final, "base": base, "minutes": made.depth / 9}
    return trial(number, point, [min(95.0, e) for e in errors], **fields)
