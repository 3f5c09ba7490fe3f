"""Event files of a job, downloaded as a zip and unpacked by the command line."""

import io
from pathlib import Path
from zipfile import ZipFile

import pytest

from service.cli.failure import CommandFailed
from service.cli.tensorboard import unpack
from service.cluster.cluster import Sighting
from service.jobs.tensorboard import zipped
from service.lifecycle import Job
from tests.api import attempt
from tests.api.attempt import point
from tests.api.conftest import Service
from tests.event_files import scalars
from tests.keys.command import Command
from trainer.contract.attempts import MetricPoint
from trainer.training.tensorboard import EventFiles

FILE = "attempt-1/train/events.out.tfevents.0000000000"


def draw(service: Service, job: Job, number: int, *points: MetricPoint) -> EventFiles:
    """As the first worker of an attempt does it."""
    files = EventFiles(service.objects, job.id, number)
    files.add(one.model_dump(mode="json") for one in points)
    files.close()
    return files


def steps(archive: bytes) -> dict[str, list[int]]:
    with ZipFile(io.BytesIO(archive)) as files:
        assert files.testzip() is None
        names = files.namelist()
        return {name: [event.step for event in scalars(files.read(name))] for name in names}


def test_each_attempt_has_the_steps_that_count(service: Service) -> None:
    job = service.started()
    attempt.begin(service.objects, job, 1)
    draw(service, job, 1, *map(point, range(1, 8)), point(3, "val"), point(7, "val"))
    service.cluster.submitted[f"{job.id}-1"] = Sighting.ENDED  # without a word
    service.parts.reconciler.tick()
    service.parts.reconciler.tick()
    attempt.begin(service.objects, job, 2, resumed_step=5)
    draw(service, job, 2, *map(point, range(6, 11)))
    answer = service.client.get(f"/jobs/{job.id}/tensorboard")
    assert answer.headers["Content-Type"] == "application/zip"
    assert f"{job.id}-tensorboard.zip" in answer.headers["Content-Disposition"]
    assert steps(answer.content) == {
        FILE: list(range(1, 6)),
        FILE.replace("train", "val"): [3],
        FILE.replace("attempt-1", "attempt-2"): list(range(6, 11)),
    }


def test_a_job_that_has_not_begun_has_an_empty_archive(service: Service) -> None:
    job = service.submit().json()["id"]
    answer = service.client.get(f"/jobs/{job}/tensorboard")
    assert (answer.status_code, steps(answer.content)) == (200, {})


def test_another_projects_job_is_not_there(service: Service) -> None:
    answer = service.client.get("/jobs/job-00000000000000000000/tensorboard")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_command_line_unpacks_what_there_is_and_what_is_new(
    service: Service, url: str, tmp_path: Path
) -> None:
    residual, job = Command(url), service.started()
    assert "measured nothing yet" in residual.failure("tensorboard", job.id)
    attempt.begin(service.objects, job, 1)
    files = draw(service, job, 1, *map(point, range(1, 4)))
    folder = tmp_path / "its files"
    said = residual.run("tensorboard", job.id, f"--into={folder}")
    assert said[-1].strip() == f"tensorboard --logdir '{folder}'"
    first = (folder / FILE).stat()
    files.add([point(4).model_dump(mode="json")])
    files.close()
    residual.run("tensorboard", job.id, f"--into={folder}")
    assert [event.step for event in scalars((folder / FILE).read_bytes())] == [1, 2, 3, 4]
    assert (folder / FILE).stat().st_ino == first.st_ino  # a TensorBoard that reads it reads on


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "attempt-1/train/../../../evil",
        "attempt-1/train/events.out.tfevents.0\n",
        "attempt-1/test/events.out.tfevents.0000000000",
        "C:evil",
    ],
)
def test_an_archive_with_anything_else_in_it_is_refused_whole(name: str, tmp_path: Path) -> None:
    archive = io.BytesIO(b"".join(zipped([(FILE, b"good"), (name, b"evil")])))
    folder = tmp_path / "folder"
    with pytest.raises(CommandFailed, match="nothing was written"):
        unpack(archive, folder)
    assert list(tmp_path.rglob("*")) == []


def test_a_damaged_archive_is_said_to_be_one(tmp_path: Path) -> None:
    whole = b"".join(zipped([(FILE, b"good" * 100)]))
    with pytest.raises(CommandFailed, match="damaged"):
        unpack(io.BytesIO(whole[:-30]), tmp_path)
