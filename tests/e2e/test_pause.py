"""A training that is paused in the middle, resumed, extended and deleted, on the real thing."""

import pytest

from tests.e2e.looking import free_cpus, training
from tests.local.running import Running
from tests.waiting import until
from trainer.contract.objects.local import LocalStore

pytestmark = pytest.mark.ray

EPOCHS = 20
"""Long enough to be paused in the middle: some 15 s."""


@pytest.fixture(scope="module")
def paused(running: Running) -> str:
    """A training with two workers that was paused in the middle."""
    job = running.submit(arch="resnet8", dataset="digits", epochs=EPOCHS, workers=2)
    until(lambda: running.step(job) > 20, within_s=90)
    assert running.command("pause", job).stdout.split() == [job, "pausing"]
    until(lambda: running.job(job)["state"] == "paused", within_s=30)
    return job


def measured(service: Running, job: str) -> list[int]:
    """Steps that training points were written of."""
    with service.http() as http:
        points = http.get(f"/jobs/{job}/metrics", params={"split": "train"}).json()["points"]
    return [point["step"] for point in points]


def objects_of(service: Running, job: str) -> list[str]:
    store = LocalStore(service.data_dir / "objects")  # it lists also while somebody deletes
    return [found.key for found in store.list(f"jobs/{job}/")]


def test_a_paused_job_holds_nothing_and_loses_nothing(running: Running, paused: str) -> None:
    until(lambda: not training(running), within_s=15)
    until(lambda: free_cpus(running)[0] == free_cpus(running)[1], within_s=15)
    job = running.job(paused)
    assert job["reason"]["code"] == "paused_by_user"
    steps = measured(running, paused)
    assert steps == list(range(1, len(steps) + 1))
    assert 20 < len(steps) < job["spec"]["iterations"]
    with running.http() as http:
        kept = http.get(f"/jobs/{paused}/checkpoints").json()["items"]
    assert kept[-1]["step"] == steps[-1]  # the very step that it stopped at


def test_a_resumed_and_extended_job_measures_every_step_once(running: Running, paused: str) -> None:
    assert running.command("resume", paused).stdout.split() == [paused, "queued"]
    job = running.until_ended(paused)
    assert (job["state"], job["attempt"], job["workers"]) == ("succeeded", 2, 2)
    assert measured(running, paused) == list(range(1, job["spec"]["iterations"] + 1))
    assert running.command("resume", paused, f"--epochs={EPOCHS + 2}").returncode == 0
    longer = running.until_ended(paused)
    assert (longer["state"], longer["attempt"]) == ("succeeded", 3)
    assert longer["spec"]["iterations"] == job["spec"]["iterations"] + 2 * 11
    assert measured(running, paused) == list(range(1, longer["spec"]["iterations"] + 1))


def test_a_deleted_job_leaves_no_object(running: Running, paused: str) -> None:
    if not running.job(paused)["ended_at"]:
        assert running.command("cancel", paused).returncode == 0
        running.until_ended(paused)
    assert objects_of(running, paused)
    assert running.command("delete", paused).stdout == f"{paused} deleted\n"
    with running.http() as http:
        assert http.get(f"/jobs/{paused}").status_code == 404
    until(lambda: not objects_of(running, paused), within_s=30)
