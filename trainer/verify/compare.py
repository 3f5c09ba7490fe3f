"""What two runs of the same training left behind, held against each other. For `verify`."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from trainer.contract import attempts, checkpoints, journal, layout, lineage
from trainer.contract.attempts import MetricPoint, Started
from trainer.contract.checkpoints import GOLDEN, OPTIMIZER, PREPROCESS, STATE, TRAINED, WEIGHTS
from trainer.contract.objects.store import ObjectStore
from trainer.training.snapshot import State
from trainer.verify.verdict import Compared

NAMES = {
    WEIGHTS: "weights",
    TRAINED: "weights to train on",
    OPTIMIZER: "optimizer",
    PREPROCESS: "preprocessing",
    GOLDEN: "golden batch",
}


def points(store: ObjectStore, job_id: str, newest: int) -> list[MetricPoint]:
    """Every point that counts, in the order of the steps: of each attempt those up to the step from which
    its successor went on."""
    found: list[MetricPoint] = []
    until: int | None = None
    for number in range(newest, 0, -1):
        started = attempts.read(store, layout.started(job_id, number), Started)
        if started is None:
            continue
        own = [
            MetricPoint.model_validate(record)
            for _, records in journal.read(store, layout.metrics(job_id, number))
            for record in records
        ]
        found[:0] = [point for point in own if until is None or point.step <= until]
        until = started.resumed_step
    return found


def last_step(store: ObjectStore, job_id: str, newest: int) -> int:
    """Of the newest committed checkpoint."""
    places = lineage.lineage(store, job_id, range(1, newest + 1))
    return next((place.step for place in places if place.committed), 0)


def left(store: ObjectStore, job_id: str, newest: int) -> dict[str, str]:
    """What a run came to, by name: hashes, and nothing that depends on the time."""
    places = lineage.lineage(store, job_id, range(1, newest + 1))
    prefix = next(place.prefix for place in places if place.committed)
    found = checkpoints.read(store, prefix)
    files = {entry.name: entry.sha256 for entry in found.manifest.files}
    facts = {name: files[file] for file, name in NAMES.items() if file in files}
    facts["state"] = _sha256(_timeless(State.model_validate_json(store.get(f"{prefix}/{STATE}"))))
    facts["last step"] = str(found.meta.step)
    measured = [_measured(point) for point in points(store, job_id, newest)]
    facts["metrics"] = _sha256(measured)
    return facts


def compare(whole: dict[str, str], disturbed: dict[str, str]) -> list[Compared]:
    names = [name for name in whole if name in disturbed]
    names += sorted(whole.keys() ^ disturbed.keys())
    return [
        Compared(name=name, undisturbed=whole.get(name, "-"), disturbed=disturbed.get(name, "-"))
        for name in names
    ]


def wrong_steps(found: Sequence[MetricPoint], last: int) -> list[str]:
    """What is wrong with the training points of a run of `last` steps, in sentences."""
    times = Counter(point.step for point in found if point.split == "train")
    missing = [step for step in range(1, last + 1) if step not in times]
    twice = sorted(step for step, count in times.items() if count > 1)
    beyond = sorted(step for step in times if step > last)
    return [
        f"steps {steps} {what}"
        for steps, what in (
            (missing, "are not there"),
            (twice, "are there more than once"),
            (beyond, f"are beyond the last one, {last}"),
        )
        if steps
    ]


def _measured(point: MetricPoint) -> dict[str, Any]:
    return point.model_dump(mode="json", exclude={"time", "images_per_second"})


def _timeless(state: State) -> dict[str, Any]:
    """Also without the attempt's number: the best step may have been done by another attempt."""
    whole = state.model_dump(mode="json", exclude={"best"})
    best = state.best
    return whole | {"best": best and {"step": best.step, "metrics": _measured(best.metrics)}}


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
