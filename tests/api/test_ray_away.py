"""What jobs left behind comes from the store: it is served when Ray is gone."""

import pytest

from tests.api import attempt
from tests.api.attempt import point
from tests.api.conftest import Service


@pytest.mark.parametrize("forgotten", [False, True])
def test_metrics_and_logs_of_every_attempt_are_there_without_ray(
    service: Service, forgotten: bool
) -> None:
    job = service.started()
    attempt.begin(service.objects, job, 1)
    attempt.write(attempt.metrics(service.objects, job, 1), *map(point, range(1, 4)))
    attempt.log(service.objects, job, 1, "0", ("info", "epoch 1"), ("warning", "slow disk"))
    attempt.log(service.objects, job, 1, "driver", ("info", "driver up"))
    if forgotten:
        service.cluster.submitted.clear()
    else:
        service.cluster.away = True

    def messages(query: str) -> list[str]:
        answer = service.client.get(f"/jobs/{job.id}/logs{query}")
        assert answer.status_code == 200
        return sorted(line.split("] ")[1] for line in answer.text.splitlines())

    assert messages("") == ["driver up", "epoch 1", "slow disk"]
    assert messages("?attempt=1&rank=0") == ["epoch 1", "slow disk"]
    assert messages("?attempt=1&rank=0&level=warning") == ["slow disk"]
    assert messages("?attempt=1&rank=driver") == ["driver up"]
    points = service.client.get(f"/jobs/{job.id}/metrics?since_step=2").json()["points"]
    assert [one["step"] for one in points] == [2, 3]
