"""A service brought back is the service that was backed up, whatever database either has."""

from pathlib import Path
from typing import Any

from service.db.engine import connect
from tests.api.attempt import begin, metrics, point, write
from tests.api.conftest import Service, serving
from tests.backup.making import backed_up, contents, restored
from tests.jobs.making import fail, save_checkpoint, succeed
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code, reason

LISTS = (
    *(
        "/jobs",
        "/models",
        "/models/digits",
        "/models/digits/deployment",
        "/webhooks",
        "/keys",
        "/archs",
    ),
    *("/jobs?state=failed", "/jobs?label=team%3Dvision"),
)


def filled(service: Service, folder: Path) -> list[str]:
    """Ended jobs with all that they leave; one of them a deployed model. Their paths."""
    paths = list(LISTS)
    for number in range(3):
        job = service.started(labels={"team": "vision"}, register_as="digits")
        begin(service.objects, job, 1)
        write(metrics(service.objects, job, 1), *(point(step) for step in range(1, 8)))
        if number == 2:
            fail(service.objects, job.id, 1, reason(Code.DIVERGED, "The loss is not finite."))
        else:
            save_checkpoint(service.objects, job.id, 1, 7, folder)
            succeed(service.objects, job.id, 1, step=7)
        for _ in range(2):
            service.parts.reconciler.tick()
        paths += [f"/jobs/{job.id}{more}" for more in ("", "/events", "/metrics", "/checkpoints")]
    key = service.client.post("/keys", json={"project": "vision", "quota": {"live_jobs": 5}})
    assert key.status_code == 201, key.text
    service.client.put("/models/digits/deployment", json={}).raise_for_status()
    return paths


def asked(service: Service, paths: list[str]) -> dict[str, Any]:
    answers = {path: service.client.get(path) for path in paths}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {path: answer.json() for path, answer in answers.items()}


def test_all_that_it_answers_is_the_same(
    urls: tuple[str | None, str | None], tmp_path: Path
) -> None:
    ours, theirs = urls
    with serving(tmp_path / "old", ours) as service:
        paths = filled(service, tmp_path)
        before = asked(service, paths)
        had = contents(service.objects)
        made = backed_up(service.parts.engine, service.objects, tmp_path / "kept")
        assert not made.damaged
    new = LocalStore(tmp_path / "new" / "objects")
    (tmp_path / "new").mkdir()
    engine = connect(theirs or f"sqlite:///{tmp_path / 'new' / 'residual.db'}")
    restored(tmp_path / "kept", engine, new)
    engine.dispose()
    assert contents(new) == had
    with serving(tmp_path / "new", theirs) as service:
        assert asked(service, paths) == before
        again = service.submit()  # what counts by itself counts on
        assert again.status_code == 201, again.text
        assert service.client.get(f"/jobs/{again.json()['id']}/events").json()["items"]
