"""What is left of jobs when an experiment is over, and what undisturbed ones come to: for the checker."""

import contextlib
import hashlib
from collections import Counter
from typing import Any

from service.lifecycle import State
from service.local.processes import mark_of, marked
from tests.chaos.history import Ended, Left, Move, Reference
from tests.chaos.kinds import command_line, is_training
from tests.chaos.stack import Stack
from tests.waiting import until
from trainer.contract import attempts, journal, layout
from trainer.contract.attempts import Outcome
from trainer.contract.checkpoints import WEIGHTS

QUIET_WITHIN_S = 30.0
"""After the last job has ended: until its processes are gone and their CPUs free, on a busy machine."""


def reference(stack: Stack, name: str, body: dict[str, Any]) -> Reference:
    """Run a job with nothing in its way."""
    job = stack.submit(body)
    ended = stack.until_state(job, "succeeded", "failed", within_s=300)
    assert ended["state"] == "succeeded", ended["reason"]
    sha256 = final_weights(stack, ended)
    assert sha256, f"{job} succeeded without a checkpoint of its last step"
    return Reference(spec=name, steps=ended["spec"]["iterations"], sha256=sha256)


def ended(stack: Stack, job_id: str) -> Ended:
    """All that is known of a job."""
    job = stack.job(job_id)
    events = stack.get(f"/jobs/{job_id}/events")["items"]
    points = stack.get(f"/jobs/{job_id}/metrics", params={"split": "train"})["points"]
    return Ended(
        job=job_id,
        state=State(job["state"]),
        moves=tuple(
            Move(from_state=event["from"], to_state=event["to"], attempt=event["attempt"])
            for event in events
        ),
        train_steps=tuple(point["step"] for point in points),
        twice=written_twice(stack, job_id, job["attempt"]),
        succeeded=tuple(
            number
            for number in range(1, job["attempt"] + 1)
            if (outcome := outcome_of(stack, job_id, number)) and outcome.status == "succeeded"
        ),
        sha256=final_weights(stack, job) if job["state"] == "succeeded" else None,
    )


def left(stack: Stack) -> Left:
    """What is there once it is quiet, or after QUIET_WITHIN_S when it is not."""
    with contextlib.suppress(AssertionError):  # the record says what is left
        until(lambda: is_quiet(stack), within_s=QUIET_WITHIN_S)
    cpus = stack.get("/cluster")["cpus"]
    return Left(
        jobs={job["id"]: job["name"] or "" for job in all_jobs(stack)},
        processes=tuple(training(stack)),
        cpus=cpus["total"],
        cpus_free=cpus["free"],
    )


def is_quiet(stack: Stack) -> bool:
    """Whether nothing trains and no CPU is reserved."""
    cpus = stack.get("/cluster")["cpus"]
    return not training(stack) and cpus["total"] == cpus["free"] > 0


def training(stack: Stack) -> list[str]:
    """Command lines of the living processes of attempts."""
    found = [each for each in marked(mark_of(stack.data_dir)) if is_training(each)]
    return [f"{each.pid} {command_line(each)}" for each in found]


def all_jobs(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        params = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        page = stack.get("/jobs", params=params)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def final_weights(stack: Stack, job: dict[str, Any]) -> str | None:
    """SHA-256 of the weights after a job's last step, of the bytes as they are downloaded."""
    step = job["spec"]["iterations"]
    path = f"/jobs/{job['id']}/checkpoints/{step}/files/{WEIGHTS}"
    answer = stack.ask("GET", path)
    return hashlib.sha256(answer.content).hexdigest() if answer.is_success else None


def written_twice(stack: Stack, job_id: str, newest: int) -> tuple[int, ...]:
    """Steps of which one attempt wrote more than one point of training."""
    doubled: list[int] = []
    for number in range(1, newest + 1):
        chunks = journal.read(stack.objects, layout.metrics(job_id, number))
        points = [record for _, records in chunks for record in records]
        steps = Counter(point["step"] for point in points if point["split"] == "train")
        doubled += [step for step, times in steps.items() if times > 1]
    return tuple(doubled)


def outcome_of(stack: Stack, job_id: str, number: int) -> Outcome | None:
    return attempts.read(stack.objects, layout.outcome(job_id, number), Outcome)
