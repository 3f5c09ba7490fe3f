"""Trials of a sweep and its report, as examples for the API's document."""

from dataclasses import replace

from service.jobs import examples
from service.lifecycle import State
from service.sweeps import report
from service.sweeps.measured import MeasuredTrial, ReportInput
from service.sweeps.service import Measured
from service.sweeps.store import Trial
from trainer.contract.spec import ResolvedSpec
from trainer.contract.trials import TrialPoint


def trials() -> list[Measured]:
    """One that is done, and one that waits."""
    done, waiting = replace(examples.job(), state=State.SUCCEEDED), examples.job()
    points = (TrialPoint(epoch=1, step=54, top1_error=21.5, top5_error=1.1, loss=0.62),)
    return [
        Measured(Trial(1, {"depth": 20, "shortcut": "A"}, done), None, points, 21.5),
        Measured(Trial(2, {"depth": 32, "shortcut": "A"}, waiting), None, (), None),
    ]


def _measured(found: Measured) -> MeasuredTrial:
    job = found.trial.job
    return MeasuredTrial(
        number=found.trial.number,
        point=found.trial.point,
        spec=job.spec if job and isinstance(job.spec, ResolvedSpec) else None,
        state=job.state if job else None,
        minutes=1.5,
        training={point.epoch: 1.1 * point.top1_error for point in found.validations},
        validations=found.validations,
    )


REPORT = report.write(
    ReportInput(
        title="two depths",
        varied=("depth", "shortcut"),
        metric="top1_error",
        trials=tuple(map(_measured, trials())),
    )
)
