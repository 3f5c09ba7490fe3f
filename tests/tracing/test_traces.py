"""A job's life as one trace, at a real collector; and a collector that is away harms nobody."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.cluster.cluster import Sighting
from service.lifecycle import State
from service.tracing import otlp, spans
from service.tracing.spans import place
from service.tracing.story import Facts, told
from tests.api.conftest import LEAST, Service, serving
from tests.jobs.making import NOW, begin, fail, job, measure, point, save_checkpoint, succeed
from tests.tracing.collector import Received, attributes, collecting
from tests.waiting import until
from trainer.contract.names import submission_id
from trainer.contract.reasons import Code, reason

CALLER = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.fixture
def collector() -> Iterator[Received]:
    with collecting() as made:
        yield made


@pytest.fixture
def service(tmp_path: Path, collector: Received) -> Iterator[Service]:
    with serving(tmp_path, otlp_endpoint=collector.url) as made:
        yield made
        _flush(made)


def _flush(service: Service) -> None:
    assert service.parts.tracer is not None
    service.parts.tracer.close()


def _live(service: Service, folder: Path) -> str:
    """A job from its request to its end."""
    made = service.started()
    begin(service.objects, made.id, 1)
    service.parts.reconciler.tick()
    measure(service.objects, made.id, 1, [point(1)])
    save_checkpoint(service.objects, made.id, 1, 1, folder)
    succeed(service.objects, made.id, 1)
    service.cluster.submitted[submission_id(made.id, 1)] = Sighting.ENDED
    service.parts.reconciler.tick()
    assert service.job(made.id).state is State.SUCCEEDED
    return made.id


def test_a_job_is_one_trace_from_the_request_to_the_end(
    service: Service, collector: Received, tmp_path: Path
) -> None:
    made = _live(service, tmp_path)
    _flush(service)
    tree = {span.name: collector.parent(span) for span in collector.spans}
    assert tree == {
        "job": None,
        "POST /jobs": "job",
        "run": "job",
        "queued": "run",
        "attempt": "run",
        "submit to Ray": "attempt",
        "place workers": "attempt",
        "first step": "attempt",
        "checkpoint 1": "attempt",
        "settle": "attempt",
    }
    assert {span.trace_id.hex() for span in collector.spans} == {place(made).trace}
    assert len({span.span_id for span in collector.spans}) == len(collector.spans)
    for span in collector.spans:
        assert span.start_time_unix_nano <= span.end_time_unix_nano
    assert attributes(collector.named("attempt")) == {
        "residual.job": made,
        "residual.project": "default",
        "residual.attempt": 1,
        "residual.reason": "completed",
    }


def test_an_attempt_that_ended_before_the_job_was_cancelled_is_told_once(
    service: Service, collector: Received
) -> None:
    made = service.started()
    begin(service.objects, made.id, 1)
    service.cluster.cpus = 0  # it stays in line
    why = reason(Code.WORKER_LOST, "A test says so.")
    fail(service.objects, made.id, 1, why)
    service.cluster.submitted[submission_id(made.id, 1)] = Sighting.ENDED
    service.parts.reconciler.tick()
    assert service.job(made.id).state is State.QUEUED
    service.client.post(f"/jobs/{made.id}/cancel")
    service.parts.reconciler.tick()
    assert service.job(made.id).state is State.CANCELLED
    _flush(service)
    assert attributes(collector.named("attempt"))["residual.reason"] == "worker_lost"
    assert [span.name for span in collector.spans].count("queued") == 2


def test_a_callers_trace_is_gone_on_with_and_linked_to_the_jobs(
    service: Service, collector: Received
) -> None:
    headers = {"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-01"}
    made = service.client.post("/jobs", json=LEAST, headers=headers).json()["id"]
    _flush(service)
    request, root = collector.named("POST /jobs"), collector.named("job")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == CALLER
    assert [link.trace_id.hex() for link in request.links] == [place(made).trace]
    assert root.trace_id.hex() == place(made).trace
    assert [(link.trace_id, link.span_id) for link in root.links] == [
        (request.trace_id, request.span_id)
    ]


def test_reads_are_told_only_to_those_who_trace_them(service: Service, collector: Received) -> None:
    service.client.get("/jobs")
    service.client.get("/jobs", headers={"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-00"})
    service.client.get("/archs", headers={"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-01"})
    _flush(service)
    assert [span.name for span in collector.spans] == ["GET /archs"]


@pytest.mark.parametrize("said", ["", "nonsense", f"00-{'0' * 32}-{CALLER[1]}-01", "01-a-b-01"])
def test_a_traceparent_that_means_nothing_is_none(said: str) -> None:
    assert spans.asked(said) is None


def test_a_collector_that_is_away_is_said_once_and_harms_nobody(
    service: Service, collector: Received
) -> None:
    collector.status = 503
    with capture_logs() as lines:
        for _ in range(3):
            assert service.submit().status_code == 201
            until(lambda: collector.requests, within_s=10)
        _flush(service)
    assert len([line for line in lines if line["event"] == "traces_lost"]) == 1


def test_a_failed_attempt_is_an_error_and_so_is_its_run() -> None:
    was = job(state=State.RUNNING, attempt=2)
    now = job(state=State.FAILED, attempt=2)
    told_of = {span.name: span for span in told(was, now, lambda: Facts(began_at=NOW))}
    assert told_of.keys() == {"attempt", "run"}
    assert told_of["attempt"].error
    assert told_of["run"].error


def test_a_worker_whose_clock_is_ahead_makes_no_span_that_ends_before_it_starts() -> None:
    facts = Facts(NOW, NOW, started_at=NOW + timedelta(hours=1), first_step_at=NOW)
    was, now = job(state=State.RUNNING), job(state=State.SUCCEEDED)
    assert all(span.start <= span.end for span in told(was, now, lambda: facts))


def test_a_retry_goes_on_in_the_same_run_and_a_resume_begins_another() -> None:
    first = job(state=State.QUEUED, attempt=1)
    assert spans.run(first) == spans.run(job(state=State.RUNNING, attempt=2))
    assert spans.run(first).trace == place(first.id).trace


@pytest.mark.parametrize(
    ("endpoint", "environment", "url"),
    [
        (None, {}, None),
        (
            "http://ours:4318",
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://b"},
            "http://ours:4318/v1/traces",
        ),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://b/"}, "http://b/v1/traces"),
        (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/as/is"}, "http://c/as/is"),
    ],
)
def test_where_traces_go(
    endpoint: str | None, environment: dict[str, str], url: str | None
) -> None:
    found = otlp.collector(endpoint, environment, version="1")
    assert (found.url if found else None) == url


def test_headers_of_a_hosted_collector_are_sent(collector: Received) -> None:
    environment = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20secret, other=x"}
    found = otlp.collector(collector.url, environment, version="1")
    assert found is not None
    found.send([])
    assert collector.headers[0]["api-key"] == "a secret"
    assert "secret" not in repr(found)


def test_without_a_collector_its_protocol_is_not_loaded() -> None:
    heavy = ("opentelemetry.proto", "opentelemetry.sdk", "google.protobuf")
    program = f"import sys, service.main; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.strip() == "[]"
