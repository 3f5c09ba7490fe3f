"""A service that dies between what it keeps and what it answers: the same request finds what was kept."""

import multiprocessing
import secrets
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.db.engine import connect
from service.db.migrate import upgrade
from service.errors import NotFound
from service.ids import new_job_id
from service.jobs.service import Jobs
from service.jobs.store import JobStore
from service.models.store import ModelStore
from tests.jobs.conftest import asked
from trainer.contract.crashes import SETTING, Point
from trainer.contract.objects.local import LocalStore

FOREIGN = multiprocessing.get_context("spawn")


def jobs_in(folder: Path) -> Jobs:
    engine = connect(f"sqlite:///{folder}/residual.db")
    upgrade(engine)
    return Jobs(
        store=JobStore(engine),
        objects=LocalStore(folder / "objects"),
        capacity=lambda: None,
        clock=lambda: datetime.now(UTC),
        new_id=lambda: new_job_id(datetime.now(UTC), secrets.randbits),
        registry=ModelStore(engine),
    )


def create(folder: Path) -> str:
    """The id of the job that the one request is answered with."""
    spec = asked(workers=1, gpus_per_worker=0)
    job, _ = jobs_in(folder).create("default", spec, idempotency_key="k", body_sha256="a")
    return job.id


def delete(folder: Path, job_id: str) -> None:
    jobs_in(folder).delete("default", job_id)


def test_a_job_whose_answer_was_lost_is_answered_and_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _dies(monkeypatch, Point.AFTER_INSERT, create, tmp_path)
    jobs = jobs_in(tmp_path)
    (kept,) = jobs.page("default").items
    assert create(tmp_path) == kept.id
    assert jobs.page("default").items == (kept,)


def test_a_deleted_job_whose_answer_was_lost_is_not_there_and_its_objects_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, job_id = jobs_in(tmp_path), create(tmp_path)
    jobs.cancel("default", job_id)
    _dies(monkeypatch, Point.AFTER_DELETE, delete, tmp_path, job_id)
    with pytest.raises(NotFound):
        delete(tmp_path, job_id)
    assert [one.job_id for one in jobs.store.trash(datetime.now(UTC), limit=9)] == [job_id]


def _dies(monkeypatch: pytest.MonkeyPatch, at: Point, target: object, *args: object) -> None:
    """Another program calls `target`, and is killed at the point."""
    with monkeypatch.context() as set_there:
        set_there.setenv(SETTING, at)
        program = FOREIGN.Process(target=target, args=args)  # type: ignore[arg-type]
        program.start()
        program.join(60)
    assert program.exitcode == -signal.SIGKILL
