"""A training that asks for more workers than there is room for, on the real thing."""

import pytest

from tests.e2e.looking import free_cpus
from tests.local.running import Running

pytestmark = pytest.mark.ray

BATCH = 64


def test_an_elastic_job_takes_what_fits_and_keeps_its_batch(running: Running) -> None:
    _, cpus = free_cpus(running)
    job = running.submit(
        arch="resnet8",
        dataset="digits",
        iterations=12,
        batch_size=BATCH,
        workers={"min": 1, "max": 4},
        cpus_per_worker=cpus / 2,
    )
    ended = running.until_ended(job)
    assert (ended["state"], ended["attempt"]) == ("succeeded", 1), ended["reason"]
    assert (ended["workers"], ended["spec"]["workers"]) == (2, 4)
    with running.http() as http:
        points = http.get(f"/jobs/{job}/metrics", params={"split": "train"}).json()["points"]
        log = http.get(f"/jobs/{job}/logs", params={"q": "workers with"}).text
    assert [(point["step"], point["images"]) for point in points] == [
        (step, BATCH) for step in range(1, 13)
    ]
    assert "placing 2 workers" in log
