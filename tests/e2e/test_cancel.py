"""Cancel on the real thing: processes gone and CPUs free within ten seconds."""

import time

import pytest

from tests.e2e.looking import free_cpus, training
from tests.local.running import Running
from tests.waiting import until

pytestmark = pytest.mark.ray

WITHIN_S = 10


def test_a_cancelled_job_gives_everything_back_within_ten_seconds(running: Running) -> None:
    job = running.submit(arch="resnet20", dataset="fashion-mnist-mini", epochs=100)
    until(lambda: running.step(job) > 5, within_s=90)
    assert training(running)
    until(lambda: free_cpus(running)[0] == 0, within_s=30)
    with running.http() as http:
        assert http.post(f"/jobs/{job}/cancel").status_code == 202
    began = time.monotonic()
    until(lambda: running.job(job)["state"] == "cancelled", within_s=WITHIN_S)
    until(lambda: not training(running), within_s=WITHIN_S)
    until(lambda: free_cpus(running)[0] == free_cpus(running)[1], within_s=WITHIN_S)
    assert time.monotonic() - began < WITHIN_S
    assert running.job(job)["reason"]["code"] == "cancelled_by_user"


def test_a_job_that_waits_for_more_than_there_is_says_so_and_can_be_cancelled(
    running: Running,
) -> None:
    job = running.submit(arch="resnet20", dataset="digits", workers=2, cpus_per_worker=1000)
    until(lambda: running.job(job)["reason"], within_s=10)
    assert "2000 CPUs" in running.job(job)["reason"]["message"]
    with running.http() as http:
        assert http.post(f"/jobs/{job}/cancel").status_code == 202
    until(lambda: running.job(job)["state"] == "cancelled", within_s=5)
