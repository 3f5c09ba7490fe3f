"""`GET /metrics`: who may read it, and what it says."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from service.auth import METRICS_KEY_FILE
from service.metrics.catalogue import METRICS, MOST_PROJECTS, OTHERS
from service.metrics.gauges import Gauges, of_database
from service.metrics.standing import Standing
from service.metrics.tally import Group, Tally
from tests.api.conftest import Service, serving
from tests.jobs.making import NOW, begin, measure, point
from tests.metrics.reading import scrape, value
from trainer.contract import layout
from trainer.contract.attempts import Heartbeat
from trainer.contract.names import submission_id
from trainer.contract.spec import TrainSpec


def test_the_key_of_the_metrics_opens_them_and_nothing_else(service: Service) -> None:
    key = (service.parts.settings.data_dir / METRICS_KEY_FILE).read_text().strip()
    headers = {"Authorization": f"Bearer {key}"}
    assert service.client.get("/metrics", headers=headers).status_code == 200
    assert service.client.get("/jobs", headers=headers).status_code == 401
    assert service.client.get("/cluster", headers=headers).status_code == 401


def test_a_projects_key_does_not_show_what_other_projects_do(service: Service) -> None:
    made = service.client.post("/keys", json={"project": "vision"}).json()["key"]
    headers = {"Authorization": f"Bearer {made}"}
    assert service.client.get("/jobs", headers=headers).status_code == 200
    assert service.client.get("/metrics", headers=headers).status_code == 401


def test_a_key_that_is_set_is_the_one_that_opens(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("data")
    with serving(folder, metrics_key=SecretStr("prometheus")) as service:
        headers = {"Authorization": "Bearer prometheus"}
        assert service.client.get("/metrics", headers=headers).status_code == 200
        assert not (folder / METRICS_KEY_FILE).exists()


def test_jobs_are_counted_by_what_they_wait_for(service: Service) -> None:
    service.submit(workers=4)
    service.submit(workers=4)
    service.submit(workers=64)
    service.parts.reconciler.tick()
    service.parts.reconciler.tick()
    assert value(service, "residual_jobs", state="starting", kind="train") == 1
    assert value(service, "residual_jobs", state="queued", kind="train") == 2
    queue = scrape(service)["residual_queue_jobs"]
    assert sum(queue.values()) == 2
    assert {dict(labels)["project"] for labels in queue} == {"default"}
    age = value(service, "residual_queue_oldest_age_seconds")
    assert age is not None
    assert 0 < age < 60


def test_an_ended_job_is_counted_as_it_ends_and_no_longer_among_those_that_live(
    service: Service,
) -> None:
    job = service.submit().json()["id"]
    service.client.post(f"/jobs/{job}/cancel")
    ended = {"kind": "train", "from": "cancelling", "to": "cancelled"}
    name = "residual_job_transitions_total"
    assert value(service, name, reason="cancelled_by_user", **ended) == 1
    assert "residual_jobs" not in scrape(service)


def test_a_running_job_shows_how_far_it_is_and_what_it_waited_for(service: Service) -> None:
    job = service.started()
    begin(service.objects, job.id, 1)
    beat = Heartbeat(
        number=1, step=3, data_s=1.5, stall_s=0.25, stored_at=NOW, at=datetime.now(UTC)
    )
    service.objects.put(layout.heartbeat(job.id, 1, "0"), beat.model_dump_json().encode())
    service.parts.reconciler.tick()
    measure(service.objects, job.id, 1, [point(3, images_per_second=100.0)])
    service.parts.reconciler._last.clear()
    service.parts.reconciler.attendant.lookout.begin_anew(job)  # else it looks again in 5 s
    service.parts.reconciler.tick()
    seen = scrape(service)
    labels = frozenset({("job", job.id)})
    assert seen["residual_job_step"][labels] == 3
    assert seen["residual_job_images_per_second"][labels] == pytest.approx(100)
    assert seen["residual_job_data_wait_seconds_total"][labels] == 1.5
    assert seen["residual_job_checkpoint_stall_seconds_total"][labels] == 0.25
    assert seen["residual_job_checkpoint_timestamp_seconds"][labels] == NOW.timestamp()
    phases = {dict(key)["phase"] for key in seen["residual_job_phase_seconds_count"]}
    assert phases == {"queued", "placing", "first_step"}


def test_a_job_that_ended_has_no_series_of_its_own(service: Service) -> None:
    job = service.started()
    assert "residual_job_info" in scrape(service)
    service.client.post(f"/jobs/{job.id}/cancel")
    for _ in range(2):
        service.cluster.submitted.pop(submission_id(job.id, 1), None)
        service.parts.reconciler.tick()
    assert job.id not in service.client.get("/metrics").text


def test_requests_are_counted_by_the_template_of_their_route(service: Service) -> None:
    service.client.get("/jobs/job-1")
    service.client.get("/jobs/job-2")
    service.client.get("/no/such/path")
    service.client.request("BREW", "/jobs")
    name = "residual_http_requests_total"
    assert value(service, name, route="/jobs/{job_id}", method="GET", status="404") == 2
    assert value(service, name, route="none", method="GET", status="404") == 1
    assert value(service, name, route="/jobs", method="other", status="405") == 1


def test_calls_to_parts_are_measured_and_their_failures_counted(service: Service) -> None:
    service.submit()
    service.cluster.away = True
    service.parts.reconciler.tick()
    seen = scrape(service)
    failed = frozenset({("part", "ray"), ("operation", "capacity")})
    assert seen["residual_part_failures_total"][failed] == 1
    assert seen["residual_cluster_answers"][frozenset()] == 0
    assert seen["residual_reconciler_failures_total"][frozenset({("part", "cluster")})] == 1
    measured = {dict(labels)["part"] for labels in seen["residual_part_seconds_count"]}
    assert measured == {"ray", "database", "object_store"}


def test_a_replica_that_does_not_lead_says_so_and_shows_no_jobs(service: Service) -> None:
    service.started()
    assert value(service, "residual_reconciler_leads") == 1
    reconciler = service.parts.reconciler
    reconciler.leases.release("reconciler", reconciler.holder)
    now = datetime.now(UTC)
    assert reconciler.leases.hold("reconciler", "another", now=now, ttl=timedelta(minutes=1))
    reconciler.tick()
    seen = scrape(service)
    assert seen["residual_reconciler_leads"][frozenset()] == 0
    assert "residual_job_info" not in seen
    assert "residual_reconciler_last_look_timestamp_seconds" not in seen


def test_without_the_database_the_rest_is_still_shown() -> None:
    def away() -> Tally:
        raise OperationalError("SELECT", {}, Exception("away"))

    found = {family.name for family in Gauges(away, Standing, lambda: NOW, "1").collect()}
    assert {"residual_database_answers", "residual_reconciler_leads"} <= found
    assert "residual_jobs" not in found


def test_many_projects_are_no_more_series_than_some() -> None:
    groups = [
        Group("queued", "train", f"project-{number}", "waiting_in_line", number + 1, NOW)
        for number in range(3 * MOST_PROJECTS)
    ]
    families = {each.name: each for each in of_database(Tally(groups, 0, None, []), NOW)}
    samples = families["residual_queue_jobs"].samples
    assert len(samples) == MOST_PROJECTS + 1
    assert sum(sample.value for sample in samples) == sum(group.count for group in groups)
    assert [s.value for s in samples if s.labels["project"] == OTHERS] == [5050.0]


def test_every_metric_of_the_catalogue_has_a_sentence_and_a_unit() -> None:
    for metric in METRICS:
        assert metric.name.startswith("residual_")
        assert metric.meaning.endswith(".")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram")


def test_two_projects_that_share_a_service_are_told_apart(service: Service) -> None:
    service.cluster.cpus = 0
    service.submit()
    service.parts.jobs.create(
        "theirs", TrainSpec.model_validate({"arch": "resnet8", "dataset": "digits"})
    )
    queue = scrape(service)["residual_queue_jobs"]
    assert {dict(labels)["project"] for labels in queue} == {"default", "theirs"}
