"""Every named crash point on the real stack: the program dies there once, and the job must come to its end as
if it had not."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import collect
from tests.chaos.checker import violations
from tests.chaos.faults import kill
from tests.chaos.history import History, Reference, Submitted
from tests.chaos.kills import SMALL
from tests.chaos.stack import Stack, stack
from tests.waiting import until
from trainer.contract import layout
from trainer.contract.crashes import SETTING, Point

BODY = SMALL | {"arch": "resnet8", "batch_size": 64, "iterations": 60, "register_as": "crashed"}
BODY["checkpoint_every"] = {"steps": 6}
LONGER = BODY | {"iterations": 400}
"""It still runs when it is halted, or loses its driver."""
ENDS_WITHIN_S = 300.0
LOOK_EVERY_S = 0.2

Story = Callable[[Stack, str], None]


@dataclass
class Trial:
    """One point: its stack dies there once for each job."""

    point: Point
    marker: Path
    history: History
    problems: list[str] = field(default_factory=list)

    def run(self, stack: Stack, number: int, references: dict[str, Reference]) -> None:
        """One job's life, with the crash in it."""
        self.marker.unlink()
        spec, tell = STORIES.get(self.point, SUCCEEDS)
        key = f"{self.point.replace('_', '-')}-{number}"
        job = stack.submit(SPECS[spec] | {"name": key}, key=key)
        if self.point is not Point.AFTER_DELETE:  # what was deleted is not to be found in the end
            self.history.add(Submitted(at=time.time(), key=key, job=job, spec=spec))
        tell(stack, job)
        if not self.marker.exists():
            self.problems.append(f"{self.point} was never reached")
            self.marker.touch()
        if self.point is not Point.AFTER_DELETE:
            self.history.add(references[spec], collect.ended(stack, job))


def run(
    folder: Path,
    *,
    n: int,
    seed: int,
    say: Callable[[str], None],
    parts: tuple[str, ...] = tuple(Point),
) -> dict[str, object]:
    """`n` crashes at each of the points `parts`. `seed` is of no use here: nothing is left to chance."""
    points = [Point(name) for name in parts]
    references: dict[str, Reference] = {}
    found: list[str] = []
    for point in points:
        trial = Trial(point, folder / f"{point}.marker", History(folder / f"{point}.jsonl"))
        trial.marker.touch()  # no crash yet
        with stack(folder / point, env={SETTING: f"{point}@{trial.marker}"}) as running:
            name, _ = STORIES.get(point, SUCCEEDS)
            if name not in references:
                references[name] = collect.reference(running, name, SPECS[name])
            with supervised(running):
                for number in range(n):
                    trial.run(running, number, references)
            trial.history.add(collect.left(running))
        found += trial.problems
        found += [f"{point}: {sentence}" for sentence in violations(trial.history.records)]
        say(f"{point}: {n} crashes, {len(found)} broken promises so far")
    return {"points": [str(point) for point in points], "each": n, "violations": found}


@contextmanager
def supervised(stack: Stack) -> Iterator[None]:
    """The service is started again whenever it has died."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(LOOK_EVERY_S):
            if not stack.processes("api"):
                stack.restart_api()

    thread = threading.Thread(target=watch, name="supervisor")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _succeed(stack: Stack, job: str) -> None:
    ended = stack.until_state(job, "succeeded", "failed", "cancelled", within_s=ENDS_WITHIN_S)
    versions = stack.get(f"/models/{BODY['register_as']}")["versions"]
    made = [version for version in versions if version["job"] == job]
    assert ended["state"] != "succeeded" or len(made) == 1, (
        f"{job} was registered {len(made)} times"
    )


def _pause_and_go_on(stack: Stack, job: str) -> None:
    _until_checkpoint(stack, job)
    stack.ask("POST", f"/jobs/{job}/pause").raise_for_status()
    stack.until_state(job, "paused", "succeeded", within_s=ENDS_WITHIN_S)
    stack.ask("POST", f"/jobs/{job}/resume")
    _succeed(stack, job)


def _lose_the_driver(stack: Stack, job: str) -> None:
    _until_checkpoint(stack, job)
    for each in stack.processes("driver"):
        kill(each)
    _succeed(stack, job)


def _delete(stack: Stack, job: str) -> None:
    _succeed(stack, job)
    assert stack.ask("DELETE", f"/jobs/{job}").status_code in {204, 404}  # 404: it was done before
    assert stack.ask("GET", f"/jobs/{job}").status_code == 404
    until(
        lambda: not list(stack.objects.list(layout.job(job) + "/")),
        within_s=ENDS_WITHIN_S,
        every_s=LOOK_EVERY_S,
    )


def _until_checkpoint(stack: Stack, job: str) -> None:
    until(
        lambda: stack.get(f"/jobs/{job}/checkpoints")["items"],
        within_s=ENDS_WITHIN_S,
        every_s=LOOK_EVERY_S,
    )


SPECS = {"short": BODY, "longer": LONGER}
SUCCEEDS: tuple[str, Story] = ("short", _succeed)
STORIES: dict[Point, tuple[str, Story]] = {
    Point.AFTER_HALT: ("longer", _pause_and_go_on),
    Point.AFTER_CLOSE: ("longer", _lose_the_driver),
    Point.AFTER_DELETE: ("short", _delete),
}
"""What has to happen for a point to be reached; all others lie on the way of a job that just succeeds."""
