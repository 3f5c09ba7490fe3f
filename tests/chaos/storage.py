"""Experiment: the object store is killed, then loses a share of the requests, then all of them, while jobs
train. Run by `python -m tests.chaos` and by `test_storage`."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from service.lifecycle import TERMINAL
from tests.chaos import collect
from tests.chaos.checker import violations
from tests.chaos.flaky import Flaky, flaky
from tests.chaos.history import Ended, History, Struck, Submitted
from tests.chaos.kills import SPECS
from tests.chaos.stack import Stack, stack
from tests.chaos.watcher import Watcher, watching
from tests.contract.seaweed import BUCKET, CREDENTIALS, SeaweedServer

FAILING = 0.05
"""Share of the requests that fail."""
PAUSE_S = (1.0, 8.0)
"""Between two kills."""
AWAY_S = (0.0, 4.0)
LIVE = 2
"""Jobs that are always there."""
ENDS_WITHIN_S = 600.0


@dataclass
class Experiment:
    """One run of it."""

    stack: Stack
    server: SeaweedServer
    proxy: Flaky
    history: History
    specs: dict[str, dict[str, object]]
    chance: random.Random
    say: Callable[[str], None]
    jobs: list[str] = field(default_factory=list)

    def kill_store(self, times: int) -> None:
        for number in range(times):
            time.sleep(self.chance.uniform(*PAUSE_S))
            self._note("kill store")
            self.server.kill()
            time.sleep(self.chance.uniform(*AWAY_S))
            self.server.start()
            self.say(f"{number + 1} of {times} kills; {len(self.jobs)} jobs so far")

    def fail(self, share: float, seconds: float) -> None:
        """So many of the requests, for so long."""
        self._note(f"{share:.0%} of the requests fail for {seconds:g} s")
        self.proxy.failing = share
        time.sleep(seconds)
        self.proxy.failing = 0.0
        self.say(f"{seconds:g} s over; {dict(self.proxy.failed)}, {self.proxy.passed} passed")

    @contextmanager
    def submitting(self, watcher: Watcher) -> Iterator[None]:
        """Jobs come as long as this lasts; then the last of them end."""
        stop = threading.Event()

        def submit() -> None:
            while not stop.is_set():
                if len(self.jobs) < LIVE or watcher.live() < LIVE:
                    self._submit()
                stop.wait(1.0)

        thread = threading.Thread(target=submit, name="submitter")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        for job in self.jobs:
            self.stack.until_state(job, *TERMINAL, within_s=ENDS_WITHIN_S)

    def _submit(self) -> None:
        number = len(self.jobs)
        name, key = list(self.specs)[number % len(self.specs)], f"storage-{number}"
        job = self.stack.submit(self.specs[name] | {"name": key}, key=key)
        self.jobs.append(job)
        self.history.add(Submitted(at=time.time(), key=key, job=job, spec=name))

    def _note(self, fault: str) -> None:
        pid = self.server.process.pid if self.server.process else 0
        self.history.add(Struck(at=time.time(), fault=fault, pid=pid))


def run(
    folder: Path,
    *,
    n: int,
    seed: int,
    say: Callable[[str], None],
    flaky_s: float = 600.0,
    away_s: float = 60.0,
    names: tuple[str, ...] = tuple(SPECS),
) -> dict[str, object]:
    """`n` kills, then `flaky_s` seconds in which some requests fail, then `away_s` in which all do. The jobs
    have the retries that every job has."""
    history = History(folder / "history.jsonl")
    specs = {name: SPECS[name] | {"max_retries": 3} for name in names}
    with _running(folder, random.Random(f"requests {seed}")) as (running, server, proxy):
        for name, spec in specs.items():
            history.add(collect.reference(running, name, spec))
            say(f"undisturbed {name} is done")
        trial = Experiment(running, server, proxy, history, specs, random.Random(seed), say)
        with watching(running, history) as watcher, trial.submitting(watcher):
            trial.kill_store(n)
            trial.fail(FAILING, flaky_s)
            trial.fail(1.0, away_s)
        ended = [collect.ended(running, job) for job in trial.jobs]
        history.add(*ended, collect.left(running))
    return {
        "jobs": len(ended),
        "kills": n,
        "requests": proxy.passed + proxy.failed.total(),
        "failed_requests": dict(proxy.failed),
        "attempts": sum(_attempts(job) for job in ended),
        "violations": violations(history.records) + running.wrong,
    }


@contextmanager
def _running(folder: Path, chance: random.Random) -> Iterator[tuple[Stack, SeaweedServer, Flaky]]:
    """A service whose every request to its store goes through a proxy."""
    server = SeaweedServer(folder / "seaweed")
    server.folder.mkdir()
    with ExitStack() as ending:
        ending.callback(server.kill)
        server.start()
        proxy = ending.enter_context(flaky(("127.0.0.1", server.ports["s3.port"]), chance))
        settings = {
            "RESIDUAL_STORAGE_URL": f"s3://{BUCKET}/chaos",
            "AWS_ENDPOINT_URL": proxy.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        service = stack(folder / "service", env=settings | CREDENTIALS)
        yield ending.enter_context(service), server, proxy


def _attempts(job: Ended) -> int:
    return job.moves[-1].attempt if job.moves else 0
