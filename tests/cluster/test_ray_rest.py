"""What `RayRest` promises, asked of the Ray of a running service."""

import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from service.cluster.cluster import Sighting
from service.cluster.ray_rest import RayRest
from service.errors import ClusterUnavailable
from service.local import ray_record
from service.local.instance import Places
from service.local.ray_head import token_of
from tests.cluster import reserving
from tests.local.running import Running
from tests.waiting import until

RESERVING = shlex.join([sys.executable, reserving.__file__])


@pytest.fixture(scope="module")
def ray(running: Running) -> RayRest:
    places = Places(running.data_dir)
    record = ray_record.load(places)
    assert record
    return RayRest(record.address, token_of(places))


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nothing listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


class NotRay(BaseHTTPRequestHandler):
    """Answers everything, with what Ray would never say."""

    def do_GET(self) -> None:
        self.send_response(404 if "/jobs/" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"<html>welcome</html>")

    def do_POST(self) -> None:
        self.send_error(503)

    def log_message(self, *words: object) -> None:
        """Says nothing."""


@pytest.fixture
def stranger() -> Iterator[str]:
    """An address at which something else than Ray answers."""
    with HTTPServer(("127.0.0.1", 0), NotRay) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.ray
def test_a_submission_runs_once_however_often_it_is_submitted(
    ray: RayRest, running: Running
) -> None:
    said = running.data_dir / "said"
    for _ in range(3):
        ray.submit("probe-once-1", f"echo here >> {said}")
    until(lambda: ray.sighting("probe-once-1") is Sighting.ENDED, within_s=30)
    assert said.read_text() == "here\n"


@pytest.mark.ray
def test_a_submission_is_seen_from_its_start_to_its_end(ray: RayRest) -> None:
    assert ray.sighting("probe-life-1") is Sighting.MISSING
    ray.submit("probe-life-1", "sleep 100")
    assert ray.sighting("probe-life-1") in {Sighting.PENDING, Sighting.RUNNING}
    until(lambda: ray.sighting("probe-life-1") is Sighting.RUNNING, within_s=30)
    ray.stop("probe-life-1")
    until(lambda: ray.sighting("probe-life-1") is Sighting.ENDED, within_s=10)
    ray.stop("probe-life-1")  # over already: nothing happens


@pytest.mark.ray
def test_an_entrypoint_that_fails_has_ended(ray: RayRest) -> None:
    ray.submit("probe-fails-1", "exit 3")
    until(lambda: ray.sighting("probe-fails-1") is Sighting.ENDED, within_s=30)


@pytest.mark.ray
def test_stopping_what_ray_does_not_know_is_no_failure(ray: RayRest) -> None:
    ray.stop("probe-unknown-1")


@pytest.mark.ray
def test_the_capacity_is_that_of_this_machine(ray: RayRest) -> None:
    (node,) = ray.capacity().nodes
    assert node.cpus >= 2
    assert 0 <= node.cpus_free <= node.cpus
    assert 0 <= node.gpus_free <= node.gpus


@pytest.mark.ray
def test_what_ray_keeps_for_an_attempt_that_is_over_is_given_back(ray: RayRest) -> None:
    """By the service whose Ray it is."""
    before = ray.capacity().cpus_free
    ray.submit("probe-reserves-1", f"{RESERVING} -m trainer.run --job=probe")
    found = until(lambda: ray.abandoned(but=set()), within_s=60)
    assert len(found) == 1
    assert ray.abandoned(but={"probe-reserves-1"}) == frozenset()
    until(lambda: not ray.abandoned(but=set()), within_s=30)
    until(lambda: ray.capacity().cpus_free == before, within_s=20)


@pytest.mark.ray
def test_what_somebody_else_reserves_is_left_alone(ray: RayRest) -> None:
    before = ray.capacity().cpus_free
    ray.submit("probe-another-1", RESERVING)
    until(lambda: ray.sighting("probe-another-1") is Sighting.ENDED, within_s=60)
    assert ray.abandoned(but=set()) == frozenset()
    until(lambda: ray.capacity().cpus_free < before, within_s=20)
    ray.submit("probe-tidy-1", f"{RESERVING} --tidy")
    until(lambda: ray.capacity().cpus_free == before, within_s=60)


@pytest.mark.ray
def test_a_wrong_token_is_a_cluster_that_does_not_answer(ray: RayRest) -> None:
    stranger = RayRest(ray.address, "0" * 64)
    assert stranger.sighting("probe-life-1") is Sighting.UNKNOWN
    with pytest.raises(ClusterUnavailable):
        stranger.capacity()
    with pytest.raises(ClusterUnavailable):
        stranger.abandoned(but=set())
    with pytest.raises(ClusterUnavailable):
        stranger.submit("probe-token-1", "true")
    with pytest.raises(ClusterUnavailable):
        stranger.stop("probe-life-1")


def test_a_silent_cluster_is_unknown_and_never_missing(nobody: str) -> None:
    ray = RayRest(nobody)
    assert ray.sighting("probe-1") is Sighting.UNKNOWN
    for call in (
        ray.capacity,
        lambda: ray.abandoned(but=set()),
        lambda: ray.submit("probe-1", "true"),
        lambda: ray.stop("probe-1"),
    ):
        with pytest.raises(ClusterUnavailable, match="does not answer"):
            call()


def test_what_is_not_ray_is_unknown_and_never_missing(stranger: str) -> None:
    ray = RayRest(stranger)
    assert ray.sighting("probe-1") is Sighting.UNKNOWN
    with pytest.raises(ClusterUnavailable, match="RESIDUAL_RAY_ADDRESS"):
        ray.capacity()
    with pytest.raises(ClusterUnavailable, match="RESIDUAL_RAY_ADDRESS"):
        ray.abandoned(but=set())
    with pytest.raises(ClusterUnavailable, match="did not take"):
        ray.submit("probe-1", "true")
    with pytest.raises(ClusterUnavailable, match="did not stop"):
        ray.stop("probe-1")


def test_the_token_is_not_in_its_repr() -> None:
    assert "secret" not in repr(RayRest("http://127.0.0.1:1", "secret"))
