"""The image, the compose file and the manifests as people use them: `make containers`. Builds, brings compose
up, has a job finish, what it trained classify, a sweep finish and Prometheus see it all; kills each service
and has another job finished and a picture classified; tells a worker to go. Then the same image in the pods
of k8s/. Removes all."""

import os
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.containers import images
from tests.containers.engine import Engine
from tests.containers.played import Played
from tests.containers.service import Service
from tests.containers.stack import SERVICES, SWEEP, Stack

PODS = "pods"
"""Instead of a service that is killed: the manifests' pods."""

SEEN = (
    'up{job="residual"}',
    'count(up{job="ray"} == 1) > 1',
    'sum(residual_job_transitions_total{to="succeeded"})',
    'residual_predictions_asked_total{way="door"} > 0',
)
"""Queries of which each has an answer once Prometheus works: the API, Ray's two nodes, the first job, a
prediction that went straight to its replica."""

LONG = {
    "arch": "resnet20",
    "dataset": "digits",
    "epochs": 2_000,
    "checkpoint_every": {"steps": 20},
}


def say(what: str) -> None:
    print(what, flush=True)  # noqa: T201


def restricted(engine: Engine) -> None:
    """As any user that no file belongs to, on a read-only root, without capabilities."""
    words = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=none")
    told = engine.run("podman", "run", "--rm", *words, images.RESIDUAL, "store", "--help")
    assert "verify" in told
    asked = ("-c", "import os; print(os.getuid(), open('/proc/self/status').read())")
    seen = engine.run(
        "podman", "run", "--rm", *words, "--entrypoint=python", images.RESIDUAL, *asked
    )
    assert seen.startswith("10001 ")
    assert "CapEff:\t0000000000000000" in seen
    say("the image runs as 10001, read-only, without capabilities")


def killed(stack: Stack, service: str) -> None:
    stack.kill(service)
    ready = stack.until(stack.ready, 300)
    job = stack.job()
    done = stack.until(lambda: stack.finished(job), 400)
    answered = stack.until(stack.classifies, 200)
    say(
        f"{service} killed: ready again after {ready:.0f} s, a job finished {done:.0f} s later, a picture "
        f"was classified {answered:.0f} s after that"
    )


def served(service: Service, job: str) -> None:
    """On Ray's nodes, which the API reaches over the network only."""
    service.deploy(job)
    took = service.until(service.classifies, 200)
    for _ in range(20):
        assert service.classifies(), "a picture was not classified"
    say(f"what it trained classified {took:.0f} s after it was deployed, and 20 times in a row")


def swept(stack: Stack) -> None:
    sweep = stack.job(SWEEP)
    done = stack.until(lambda: stack.finished(sweep), 400)
    say(f"a sweep of two finished after {done:.0f} s")


def told_to_go(stack: Stack) -> None:
    """A worker's container is stopped: what trains there keeps a checkpoint, and goes on when it is back."""
    job = stack.job(LONG)
    stack.until(lambda: bool(stack.ask("GET", f"/jobs/{job}/checkpoints").json()["items"]), 300)
    stack.engine.run("podman", "stop", "--time=60", stack.container("ray-worker"))
    stack.until(lambda: stack.ask("GET", f"/jobs/{job}").json()["attempt"] > 1, 300)
    seen = stack.ask("GET", f"/jobs/{job}/events").json()["items"]
    assert any(each["reason"] and each["reason"]["code"] == "preempted" for each in seen), seen
    stack.until(lambda: stack.ask("GET", f"/jobs/{job}").json()["state"] == "running", 300)
    stack.ask("POST", f"/jobs/{job}/cancel").raise_for_status()
    say("a worker was told to go: its job kept a checkpoint, and went on when it was back")


def observed(stack: Stack) -> None:
    """Prometheus reads the API and Ray's nodes, with their keys, and can evaluate each rule."""
    stack.observe()
    took = stack.until(lambda: all(map(stack.observed, SEEN)), 180)
    stack.until(lambda: set(stack.rules().values()) == {"ok"}, 60)
    say(f"Prometheus saw the API, Ray's nodes and the job after {took:.0f} s; all rules are ok")


def compose(engine: Engine, services: list[str]) -> None:
    stack = Stack.of(engine)
    try:
        stack.up()
        job = stack.job()
        done = stack.until(lambda: stack.finished(job), 400)
        say(f"compose is up, and a job finished after {done:.0f} s")
        served(stack, job)
        swept(stack)
        observed(stack)
        for service in services:
            killed(stack, service)
        told_to_go(stack)
    finally:
        stack.down()


def kubernetes(engine: Engine) -> None:
    """The manifests' pods: both of the API, both of Ray's workers."""
    pods = Played("", engine=engine)
    try:
        began = time.monotonic()
        pods.up()
        say(
            f"the pods of k8s/ are up, and all probes say yes, after {time.monotonic() - began:.0f} s"
        )
        job = pods.job()
        done = pods.until(lambda: pods.finished(job), 400)
        say(f"a job finished in them after {done:.0f} s")
        served(pods, job)
        for name in ("api-0", "ray-worker-0", "ray-head-0", "storage-0", "database-0"):
            pods.kill(name)
            answered = pods.until(pods.classifies, 300)
            ready = pods.until(partial(pods.healthy, pods.named(name)), 300)
            say(
                f"{name} killed: a picture was classified after {answered:.0f} s, and its probes said yes "
                f"{ready:.0f} s later"
            )
        job = pods.job()
        done = pods.until(lambda: pods.finished(job), 400)
        say(f"another job finished after {done:.0f} s")
    finally:
        pods.down()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was made is removed first
    asked = sys.argv[1:] or [*SERVICES, PODS]
    kept = os.environ.get("CONTAINERS_FOLDER")  # keeps images from one run to the next
    engine = Engine(
        Path(kept or tempfile.mkdtemp(prefix="rc-", dir="/tmp"))
    )  # short, as sockets want
    engine.prepare()
    try:
        images.all_of_them(engine)
        restricted(engine)
        if services := [each for each in asked if each != PODS]:
            compose(engine, services)
        if PODS in asked:
            kubernetes(engine)
    finally:
        if kept is None:
            engine.remove()


if __name__ == "__main__":
    main()
