"""One service through a hard life: killed and adopted, stopped and started again, its Ray killed.

The story is lived once, with one job; each test is about one thing that was seen in it.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.local import ray_record
from service.local.instance import Places
from service.settings import Settings
from service.stores import storage_url
from tests.local.running import Running, end, start
from tests.waiting import until
from trainer.contract import attempts, journal, layout
from trainer.contract.attempts import Started
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.open import open_store

pytestmark = pytest.mark.ray

STEPS = 220
JOB = {
    "arch": "resnet8",
    "dataset": "digits",
    "batch_size": 128,
    "iterations": STEPS,
    "checkpoint_every": {"steps": 25},
}


@dataclass
class Story:
    """What was seen."""

    ray_pids: list[int]
    """Of the Ray head: at first, after the kill, after the restart, after Ray was killed."""
    adopted_after_s: float
    step_at_kill: int
    attempt_after_adoption: int
    step_at_stop: int
    last_before_stop: int
    """The last step that was done before the service stopped."""
    resumed_after_stop: int
    """The step that the first attempt after it went on from."""
    left_after_stop: list[psutil.Process]
    stopped_after_s: float
    job: dict[str, Any]
    events: list[dict[str, Any]]
    points: list[dict[str, Any]]
    key_stays: bool


def ray_pid(service: Running) -> int:
    record = ray_record.load(Places(service.data_dir))
    assert record
    return record.pid


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    data_dir = tmp_path_factory.mktemp("life") / "data"
    service = start(data_dir)
    pids, key = [ray_pid(service)], service.key
    try:
        job = service.submit(**JOB)
        until(lambda: service.step(job) >= 30, within_s=90)
        step_at_kill = service.step(job)
        service.kill()

        service = start(data_dir)
        pids.append(ray_pid(service))
        adopted_after_s = service.seconds_to_ready
        until(lambda: service.step(job) >= step_at_kill + 25, within_s=60)
        attempt, step_at_stop = service.job(job)["attempt"], service.step(job)
        stopped_after_s = service.stop()
        left = service.left()
        last_before_stop = steps_written(data_dir, job, attempt)[-1]

        service = start(data_dir)
        pids.append(ray_pid(service))
        # Not after `step_at_stop`: it trained on while it was being stopped, and a step that this
        # attempt has not done itself says nothing of whether it has begun.
        until(lambda: service.step(job) >= last_before_stop + 25, within_s=90)
        psutil.Process(pids[-1]).send_signal(signal.SIGKILL)
        until(lambda: ray_pid_if_any(service) not in {None, pids[-1]}, within_s=60)
        pids.append(ray_pid(service))
        ended = service.until_ended(job)
        resumed_after_stop = resumed_step(data_dir, job, attempt + 1)
        with service.http() as http:
            events = http.get(f"/jobs/{job}/events").json()["items"]
            points = http.get(f"/jobs/{job}/metrics").json()["points"]
        yield Story(
            ray_pids=pids,
            adopted_after_s=adopted_after_s,
            step_at_kill=step_at_kill,
            attempt_after_adoption=attempt,
            step_at_stop=step_at_stop,
            last_before_stop=last_before_stop,
            resumed_after_stop=resumed_after_stop,
            left_after_stop=left,
            stopped_after_s=stopped_after_s,
            job=ended,
            events=events,
            points=points,
            key_stays=service.key == key,
        )
    finally:
        end(service)


def objects(data_dir: Path) -> LocalStore:
    found = open_store(storage_url(Settings(data_dir=data_dir)))
    assert isinstance(found, LocalStore)
    return found


def steps_written(data_dir: Path, job: str, attempt: int) -> list[int]:
    """Of the training points of an attempt, in the order it wrote them."""
    chunks = journal.read(objects(data_dir), layout.metrics(job, attempt))
    records = [record for _, records in chunks for record in records]
    return [record["step"] for record in records if record["split"] == "train"]


def resumed_step(data_dir: Path, job: str, attempt: int) -> int:
    found = attempts.read(objects(data_dir), layout.started(job, attempt), Started)
    assert found
    return found.resumed_step


def ray_pid_if_any(service: Running) -> int | None:
    """None while the record is being written anew."""
    record = ray_record.load(Places(service.data_dir))
    return record.pid if record else None


def test_a_killed_service_finds_its_ray_again(story: Story) -> None:
    assert story.ray_pids[0] == story.ray_pids[1]


def test_a_job_goes_on_while_the_service_is_dead(story: Story) -> None:
    assert story.attempt_after_adoption == 1


def test_a_stopped_service_leaves_no_process(story: Story) -> None:
    assert story.left_after_stop == []
    assert story.stopped_after_s < 15  # of which 8 s are for checkpoints


def test_a_restarted_service_continues_where_it_was(story: Story) -> None:
    assert story.key_stays
    assert story.ray_pids[2] != story.ray_pids[1]


def test_no_step_is_lost_when_the_service_is_stopped(story: Story) -> None:
    assert story.resumed_after_stop == story.last_before_stop
    assert story.resumed_after_stop >= story.step_at_stop
    why = story.events[[event["to"] for event in story.events].index("queued", 1)]["reason"]
    assert why["message"].startswith("The service was stopped.")
    assert why["message"].endswith("which costs no retry.")


def test_a_ray_that_dies_is_started_again(story: Story) -> None:
    assert story.ray_pids[3] != story.ray_pids[2]


def test_the_job_succeeds_after_all(story: Story) -> None:
    assert story.job["state"] == "succeeded", story.job["reason"]
    assert story.job["attempt"] == 3


def test_every_step_is_there_exactly_once(story: Story) -> None:
    steps = [point["step"] for point in story.points if point["split"] == "train"]
    assert steps == list(range(1, STEPS + 1))


def test_the_events_say_why_it_was_queued_again(story: Story) -> None:
    again = [event["reason"] for event in story.events if event["to"] == "queued"][1:]
    assert [reason["code"] for reason in again] == ["cluster_restarted"] * 2
