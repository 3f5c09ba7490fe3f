"""What `residual sweep --dry-run` prints: the trials that a sweep would have, and how long they would
take."""

from collections.abc import Iterator, Sequence
from typing import Any

HEAD = ("number", "what", "parameters", "multiply-adds", "epochs", "hours")
ROW = "{:>6}  {:<40} {:>12} {:>13} {:>6} {:>8}"
NONE = "–"


def lines(plan: dict[str, Any]) -> Iterator[str]:
    """Of the answer to a dry run."""
    sweep = plan["sweep"]
    yield ROW.format(*HEAD)
    for number, trial in enumerate(sweep["trials"], start=1):
        yield ROW.format(number, *_cells(trial))
        if trial["check"]:
            yield f"{'':>8}{trial['check']['message']} {trial['check']['remedy']}"
    if len(sweep["trials"]) < sweep["count"]:
        yield f"These are some that it may have; it has {sweep['count']}."
    yield _length(sweep, plan["spec"]["search"])
    yield from (f"Note: {note}" for note in plan["notes"])
    yield from (f"Now: {check['message']}" for check in plan["checks"])


def point(values: dict[str, Any]) -> str:
    """A trial's in words, short enough for a column."""
    said = ", ".join(f"{field.split('.')[-1]} {value}" for field, value in values.items())
    return said[:40]


def _cells(trial: dict[str, Any]) -> Sequence[str]:
    hours = trial["hours"]
    return (
        point(trial["point"]) if trial["point"] else trial["network"],
        f"{trial['parameters']:,}",
        f"{trial['multiply_adds']:.3g}",
        str(trial["epochs"]),
        NONE if hours is None else f"{hours:.2f}",
    )


def _length(sweep: dict[str, Any], search: dict[str, Any]) -> str:
    trials = f"{sweep['count']} trials, {search['at_once']} at once"
    if sweep["hours"] is None:
        return (
            f"{trials}. How long they take is not known: nothing like them was trained on this cluster; "
            "train one for an epoch, and ask again."
        )
    measured = f"{sweep['measured']} training{'s' * (sweep['measured'] != 1)}"
    return (
        f"{trials}: about {sweep['hours']:.2f} h, {sweep['worker_hours']:.2f} worker-hours, by the pace of "
        f"{measured} on this cluster."
    )
