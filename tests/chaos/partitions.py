"""Experiment: for a minute the API and Ray, the API and its database, or the nodes and the object store hear
nothing of one another, while a job trains on two hosts. Run by `python -m tests.chaos`, by `tests/hosts`."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from service.lifecycle import TERMINAL
from tests.chaos import collect
from tests.chaos.checker import violations
from tests.chaos.history import History, Struck, Submitted
from tests.chaos.nodes import SPEC
from tests.chaos.recovery import newest
from tests.chaos.watcher import watching
from tests.hosts.site import Site, site
from tests.waiting import until

BETWEEN = {
    "ray": "the API and all nodes",
    "database": "the API and its database",
    "store": "all nodes and the object store",
}
"""Name of a kind of partition → who hears nothing of whom."""
LONG = SPEC | {"iterations": 1_200}
"""What trains meanwhile: it is to go on when all is healed, and not to have ended."""
HEALED_WITHIN_S = 30.0
ENDS_WITHIN_S = 600.0
LOOK_EVERY_S = 0.2


@dataclass
class Result:
    each: int
    """Of each kind."""
    seconds: float
    """How long one lasts."""
    jobs: int = 0
    healed_s: dict[str, list[float]] = field(default_factory=dict)
    """Kind → from the healing until all parts are ready, a job that was submitted meanwhile is taken,
    and the one that trained is seen to go on: a step that was made since, or its end."""
    went_on: int = 0
    """Of those that trained, how many made a step after the healing; others had ended."""
    attempts: int = 0
    """Of all jobs."""
    violations: list[str] = field(default_factory=list)


def run(
    folder: Path,
    *,
    n: int,
    seed: int,
    say: Callable[[str], None],
    apart_s: float = 60.0,
    parts: tuple[str, ...] = tuple(BETWEEN),
) -> dict[str, object]:
    """`n` partitions of each kind. `seed` is of no use here: nothing is left to chance."""
    result, history = Result(n, apart_s), History(folder / "history.jsonl")
    with site(head_cpus=1, postgresql=True) as there:
        for spec in (SPEC, LONG):
            alone = spec | {"cpus_per_worker": 0.5}
            history.add(collect.reference(there.stack, _name(spec), alone))
        say("undisturbed, on one host, they are done")
        for node in [there.start_node(name, cpus=1) for name in ("one", "two")]:
            there.has_joined(node)
        trial = _Trial(there, history, result)
        with watching(there.stack, history):
            for number in range(n):
                for kind in parts:
                    took = trial.apart(kind, apart_s)
                    result.healed_s.setdefault(kind, []).append(took)
                    say(f"{number + 1} of {n}: {kind}: healed after {took} s")
        ended = [collect.ended(there.stack, job) for job in trial.jobs]
        history.add(*ended, collect.left(there.stack))
        result.jobs, result.attempts = len(ended), sum(job.moves[-1].attempt for job in ended)
        result.violations += violations(history.records) + there.stack.wrong
    return asdict(result)


@dataclass
class _Trial:
    site: Site
    history: History
    result: Result
    jobs: list[str] = field(default_factory=list)

    def apart(self, kind: str, seconds: float) -> float:
        """One partition under a job that trains; how long it took to heal."""
        trains = self.submit(LONG)
        until(lambda: newest(self.site.stack, trains), within_s=ENDS_WITHIN_S, every_s=LOOK_EVERY_S)
        self.part(kind, apart=True)
        self.history.add(
            Struck(at=time.time(), fault=f"{BETWEEN[kind]} apart for {seconds:g} s", pid=0)
        )
        # One client does not give up: it asks for the same again and again, until it is answered.
        late = threading.Thread(target=self.submit, name="client")
        late.start()
        threading.Event().wait(seconds)
        self.part(kind, apart=False)
        at, began = datetime.now().astimezone(), time.monotonic()
        late.join()
        until(lambda: self.is_well(trains, at), within_s=ENDS_WITHIN_S, every_s=LOOK_EVERY_S)
        took = round(time.monotonic() - began, 1)
        self.result.went_on += self.has_made_a_step(trains, at)
        if took > HEALED_WITHIN_S:
            self.result.violations.append(f"{kind}: healed only after {took} s")
        for job in self.jobs[-2:]:
            self.site.stack.until_state(job, *TERMINAL, within_s=ENDS_WITHIN_S)
        return took

    def submit(self, spec: dict[str, Any] = SPEC) -> str:
        key = f"partition-{len(self.jobs)}"
        job = self.site.stack.submit(spec | {"name": key}, key=key)
        self.jobs.append(job)
        self.history.add(Submitted(at=time.time(), key=key, job=job, spec=_name(spec)))
        return job

    def part(self, kind: str, *, apart: bool) -> None:
        """Part whom `kind` means, or let them hear one another again."""
        hosts, api = self.site.lan.hosts, self.site.api
        if kind == "database":
            change = self.site.lan.part if apart else self.site.lan.join
            change(api, hosts["database"])
        else:
            self.site.part_nodes(api if kind == "ray" else hosts["store"], apart=apart)

    def is_well(self, job: str, since: datetime) -> bool:
        with suppress(httpx.HTTPError):
            ready = self.site.stack.api.get("/readyz").is_success
            has_ended = self.site.stack.job(job)["ended_at"] is not None
            return ready and (has_ended or self.has_made_a_step(job, since))
        return False

    def has_made_a_step(self, job: str, since: datetime) -> bool:
        step = newest(self.site.stack, job)
        return step is not None and step > since


def _name(spec: dict[str, Any]) -> str:
    return f"{spec['iterations']} steps"
