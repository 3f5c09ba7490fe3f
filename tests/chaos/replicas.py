"""Experiment: two services on one PostgreSQL, one object store and one Ray; the one that reconciles is killed
or frozen, and the other must go on. Run by `python -m tests.chaos` and by `test_replicas`."""

import secrets
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, select

from service.db.engine import connect
from service.db.tables import LeaseRow
from service.reconcile.loop import LEASE
from tests.chaos.ray_apart import RayApart, ray_apart
from tests.chaos.stack import postgres
from tests.local.running import Running, start
from tests.waiting import until
from trainer.contract.names import submission_id

JOB = {
    **{"arch": "resnet8", "dataset": "digits", "workers": 1, "gpus_per_worker": 0},
    **{"cpus_per_worker": 0.5, "epochs": 100_000},
}
"""It is cancelled when it was seen to start."""
TAKES_OVER_WITHIN_S = 10.0
LOOKED_FOR_S = 60.0
STARTS_WITHIN_S = 180.0


@dataclass
class Result:
    rounds: int
    """Half of them kill the one that reconciles, half freeze it."""
    killed_s: list[float] = field(default_factory=list)
    """Seconds from the kill until the other moved a job on."""
    frozen_s: list[float] = field(default_factory=list)
    """The same from the freezing."""
    submitted_twice: int = 0
    """Attempts that Ray has under one name twice."""
    violations: list[str] = field(default_factory=list)


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """`n` rounds. `seed` is of no use here: nothing is left to chance."""
    result = Result(rounds=n)
    with ray_apart(folder / "ray") as ray, _two(folder, ray) as pair:
        _answer_the_same(pair, result)
        for number in range(n):
            if number % 2 == 0:
                result.killed_s.append(_round(pair, result, freeze=False))
                say(f"killed: the other went on after {result.killed_s[-1]:.1f} s")
            else:
                result.frozen_s.append(_round(pair, result, freeze=True))
                say(f"frozen: the other went on after {result.frozen_s[-1]:.1f} s")
        _judge(pair, ray, result)
    return asdict(result)


@dataclass
class _Pair:
    folder: Path
    settings: dict[str, str]
    engine: Engine
    services: dict[int, Running] = field(default_factory=dict)
    """By the number of the process."""

    def start(self, name: str) -> None:
        made = start(self.folder / name, **self.settings)
        self.services[made.process.pid] = made

    def leader(self) -> Running | None:
        """The one that holds the lease, as the database says."""
        with self.engine.connect() as connection:
            holder = connection.execute(
                select(LeaseRow.holder).where(LeaseRow.name == LEASE)
            ).scalar()
        parts = str(holder).split("-")
        return self.services.get(int(parts[-2])) if holder else None

    def ask(self, service: Running, method: str, path: str, **more: Any) -> Any:
        key = self.settings["RESIDUAL_API_KEY"]
        answer = httpx.request(
            method,
            f"{service.url}{path}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,
            **more,
        )
        return answer.raise_for_status().json()

    def until_state(self, service: Running, job_id: str, states: set[str], within_s: float) -> None:
        until(
            lambda: self.ask(service, "GET", f"/jobs/{job_id}")["state"] in states,
            within_s=within_s,
        )

    def end(self) -> None:
        for each in self.services.values():
            if each.process.poll() is None:
                each.process.send_signal(signal.SIGCONT)
                each.stop()


@contextmanager
def _two(folder: Path, ray: RayApart) -> Iterator[_Pair]:
    server = postgres()
    with ExitStack() as at_the_end:
        at_the_end.callback(shutil.rmtree, server.folder, ignore_errors=True)
        at_the_end.callback(server.kill)
        server.make()
        server.start()
        engine = connect(server.url)
        at_the_end.callback(engine.dispose)
        settings = ray.settings() | {
            "RESIDUAL_API_KEY": secrets.token_hex(16),
            "RESIDUAL_DATABASE_URL": server.url,
            "RESIDUAL_STORAGE_URL": (folder / "objects").as_uri(),
        }
        pair = _Pair(folder, settings, engine)
        at_the_end.callback(pair.end)
        for name in ("first", "second"):
            pair.start(name)
        yield pair


def _answer_the_same(pair: _Pair, result: Result) -> None:
    """What one was told, the other knows at once."""
    first, second = pair.services.values()
    made = pair.ask(first, "POST", "/jobs", json=JOB | {"workers": 64, "name": "the same"})
    shown = pair.ask(second, "GET", f"/jobs/{made['id']}")
    unchanged = {name: shown[name] for name in made if name != "reason"}
    if unchanged != {name: made[name] for name in made if name != "reason"}:
        result.violations.append(f"one answers {made}, the other {shown}")
    pair.ask(second, "POST", f"/jobs/{made['id']}/cancel")
    if pair.ask(first, "GET", f"/jobs/{made['id']}")["state"] != "cancelled":
        result.violations.append("a job that one has cancelled is not cancelled for the other")


def _round(pair: _Pair, result: Result, *, freeze: bool) -> float:
    """End or freeze the leader while one job starts and one has just come; the seconds until the other
    moved the latter on."""
    leader = until(pair.leader, within_s=LOOKED_FOR_S)
    other = next(each for each in pair.services.values() if each is not leader)
    starting = pair.ask(other, "POST", "/jobs", json=JOB)["id"]
    pair.until_state(other, starting, {"starting", "running"}, LOOKED_FOR_S)
    began = time.monotonic()
    if freeze:
        leader.process.send_signal(signal.SIGSTOP)
    else:
        leader.kill()
        del pair.services[leader.process.pid]
    fresh = pair.ask(other, "POST", "/jobs", json=JOB)["id"]
    pair.until_state(other, fresh, {"starting", "running"}, LOOKED_FOR_S)
    took = round(time.monotonic() - began, 1)
    if took > TAKES_OVER_WITHIN_S:
        result.violations.append(f"the other went on only after {took} s")
    if freeze:
        leader.process.send_signal(signal.SIGCONT)
    else:
        pair.start(leader.data_dir.name)
    for job_id in (starting, fresh):  # both come to run, whoever submitted them
        pair.until_state(other, job_id, {"running"}, STARTS_WITHIN_S)
    for job_id in (starting, fresh):
        pair.ask(other, "POST", f"/jobs/{job_id}/cancel")
    for job_id in (starting, fresh):
        pair.until_state(other, job_id, {"cancelled"}, LOOKED_FOR_S)
    return took


def _judge(pair: _Pair, ray: RayApart, result: Result) -> None:
    """Ray has one attempt of every job that came to run, once, and nothing else. Its number may be higher
    than 1: a service that dies before it reaches Ray leaves an attempt that never was."""
    service = next(iter(pair.services.values()))
    jobs = pair.ask(service, "GET", "/jobs", params={"limit": 500})["items"]
    headers = {"Authorization": f"Bearer {ray.token}"}
    listed = httpx.get(f"{ray.address}/api/jobs/", headers=headers, trust_env=False).json()
    seen = Counter(job["submission_id"] for job in listed if job["submission_id"])
    result.submitted_twice = seen.total() - len(seen)
    for job in jobs:
        attempts = [submission_id(job["id"], number) for number in range(1, job["attempt"] + 1)]
        there = [each for each in attempts if seen.pop(each, 0)]
        if len(there) != min(job["attempt"], 1):
            result.violations.append(f"{job['id']} came to Ray as {there}")
    result.violations += [f"Ray has {each}, which is no job's" for each in seen]
