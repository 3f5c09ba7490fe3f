"""A hundred nodes of eight GPUs, a thousand jobs of mixed sizes, priorities and projects: the real
reconciler, database and object store on a clock that is turned. `python -m benchmarks.simulation`.

Told is how long the looks took, and whether the line was kept: the order of each project's jobs, the shares
of the projects while all of them wait, gangs that start whole, and nobody that starves."""

import argparse
import random
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import delete

from benchmarks.machine import header
from benchmarks.queue import apart, databases, memory, p95
from benchmarks.simulated_cluster import GPUS, SimulatedCluster
from service.db.engine import connect
from service.db.migrate import upgrade
from service.db.tables import JobRow, LeaseRow
from service.jobs.rows import turn
from service.lifecycle import HOLDING, Job, State
from tests.jobs.making import NOW, Clock, job
from tests.reconcile.world import FakeCluster, World
from trainer.contract.objects.local import LocalStore

LOOK_EVERY_S = 2.0
"""Of the turned clock."""
SIZES = {1: 30, 2: 20, 4: 15, 8: 15, 16: 10, 32: 6, 64: 4}
"""GPUs of a job, with their weights."""
PRIORITIES = {-1: 15, 0: 70, 1: 15}
LASTS_S = (40.0, 140.0)
SHARES_WITHIN = 0.10
"""How far the share of any project may be from an equal one, while all of them wait."""
MOST_CPU_MS = 1000
CALM_S = 60
"""At the beginning shares are not counted: the first jobs of each project have just started."""


COLUMNS = (
    *("database", "succeeded", "looks", "look p50, p95, most ms", "of that CPU", "out of order"),
    *("over", "late", "GPUs in use", "unfair", "longest wait s, by GPUs", "memory MiB"),
)


@dataclass
class Run:
    """What came of it."""

    jobs: int
    tick_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    """Of the same looks, what they computed: on a machine that other work shares they last longer."""
    memory_mib: tuple[float, float] = (0, 0)
    virtual_s: float = 0
    succeeded: int = 0
    out_of_order: int = 0
    """Starts while a job of the same project with an earlier turn was waiting."""
    over: int = 0
    """Looks after which more was given away than the cluster has."""
    late: int = 0
    """Gangs that were admitted and for which there was no room at once."""
    longest_wait_s: dict[int, float] = field(default_factory=dict)
    """By GPUs of the job."""
    used: float = 0
    """Share of the GPUs in use while anybody waited."""
    shares: dict[str, float] = field(default_factory=dict)
    """Of each project, of what all of them had while all of them waited."""

    @property
    def unfair(self) -> float:
        """How far the worst share is from an equal one, as a part of that."""
        if not self.shares:
            return 0.0
        equal = 1 / len(self.shares)
        return max(abs(share - equal) / equal for share in self.shares.values())

    def broken(self) -> list[str]:
        """Promises that were not kept."""
        said = {
            f"{self.jobs - self.succeeded} jobs did not succeed": self.succeeded < self.jobs,
            f"{self.out_of_order} starts out of order": self.out_of_order > 0,
            f"{self.over} looks gave away more than there is": self.over > 0,
            f"shares are off by {self.unfair:.0%}": self.unfair > SHARES_WITHIN,
            f"a look computed for {max(self.cpu_ms):.0f} ms": max(self.cpu_ms) > MOST_CPU_MS,
        }
        return [sentence for sentence, is_so in said.items() if is_so]


def arriving(count: int, projects: int, within_s: float, chance: random.Random) -> list[Job]:
    """Jobs in the order in which they come; the first project has half of them."""
    made = []
    for number in range(count):
        at = NOW + timedelta(seconds=within_s * number / count)
        project = 0 if number % 2 else chance.randrange(projects)
        one = job(
            number,
            workers=chance.choices(list(SIZES), list(SIZES.values()))[0],
            gpus_per_worker=1,
            batch_size=256,
            priority=chance.choices(list(PRIORITIES), list(PRIORITIES.values()))[0],
        )
        made.append(replace(one, project=f"project-{project}", created_at=at, changed_at=at))
    return made


def simulate(  # noqa: PLR0913 - one for each of its sizes
    folder: Path,
    url: str,
    *,
    nodes: int,
    count: int,
    projects: int,
    within_s: float,
    seed: int,
    lasts_s: tuple[float, float] = LASTS_S,
) -> Run:
    """Until the last job has ended."""
    chance, clock = random.Random(seed), Clock()
    lasts = {number: timedelta(seconds=chance.uniform(*lasts_s)) for number in range(count)}
    engine, objects = connect(url), LocalStore(folder / "objects")
    upgrade(engine)
    with engine.begin() as connection:
        for row in (JobRow, LeaseRow):  # the other rows go with their jobs
            connection.execute(delete(row))
    cluster = SimulatedCluster(nodes, objects, clock, lambda id_: lasts[int(id_.split("-")[1])])
    world = World(engine, objects, clock, cast(FakeCluster, cluster))
    clock.now = NOW
    coming, run, watch = (
        arriving(count, projects, within_s, chance),
        Run(count),
        Watch(nodes, projects),
    )
    before = memory()
    while len(watch.ended) < count:
        clock.turn(LOOK_EVERY_S)
        while coming and coming[0].created_at <= clock():
            arrived = coming.pop(0)
            world.store.insert(arrived)
            watch.waiting[arrived.id] = arrived
        cluster.go_on()
        began, computed = time.perf_counter(), time.thread_time()
        world.reconciler.tick()
        run.tick_ms.append((time.perf_counter() - began) * 1000)
        run.cpu_ms.append((time.thread_time() - computed) * 1000)
        watch.look(world, run, clock)
        assert clock() - NOW < timedelta(days=1), f"stuck: {len(watch.waiting)} jobs wait"
    run.memory_mib, run.late = (before, memory()), cluster.late
    run.virtual_s = (clock() - NOW).total_seconds()
    watch.conclude(run)
    engine.dispose()
    return run


@dataclass
class Watch:
    """Sees what a user would: which jobs hold how much, and which wait."""

    nodes: int
    projects: int
    waiting: dict[str, Job] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    running: dict[str, Job] = field(default_factory=dict)
    held_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By project, GPUs times seconds while all wait."""
    used: list[float] = field(default_factory=list)
    """Share of the GPUs, at each look at which anybody waited."""

    def look(self, world: World, run: Run, clock: Clock) -> None:
        now = {held.job.id: held.job for held in world.store.holding()}
        for id_ in now.keys() & self.waiting.keys():
            self._started(self.waiting.pop(id_), now, run, clock)
        for id_ in self.running.keys() - now.keys():
            found = world.store.get(self.running[id_].project, id_)
            assert found is not None
            assert found.state not in HOLDING
            run.succeeded += found.state is State.SUCCEEDED
            self.ended.add(id_)
        self.running = now
        total = self.nodes * GPUS
        given = sum(one.demand.gpus for one in now.values())
        run.over += given > total
        waiting = {one.project for one in self.waiting.values()}
        if self.waiting:
            self.used.append(given / total)
        if len(waiting) == self.projects and (clock() - NOW).total_seconds() > CALM_S:
            for one in now.values():
                self.held_s[one.project] += one.demand.gpus * LOOK_EVERY_S

    def _started(self, one: Job, now: dict[str, Job], run: Run, clock: Clock) -> None:
        gpus = one.spec.workers
        waited = (clock() - one.created_at).total_seconds()
        run.longest_wait_s[gpus] = max(run.longest_wait_s.get(gpus, 0), waited)
        run.out_of_order += any(
            other.project == one.project and turn(other) < turn(one) and other.id not in now
            for other in self.waiting.values()
        )

    def conclude(self, run: Run) -> None:
        total = sum(self.held_s.values())
        run.shares = {name: held / total for name, held in sorted(self.held_s.items())}
        run.used = statistics.mean(self.used) if self.used else 0.0


def row(kind: str, run: Run) -> str:
    waits = ", ".join(f"{gpus}: {wait:.0f}" for gpus, wait in sorted(run.longest_wait_s.items()))
    ticks, cpu = sorted(run.tick_ms), sorted(run.cpu_ms)
    return (
        f"| {kind} | {run.succeeded} of {run.jobs} | {len(ticks)} | {statistics.median(ticks):.0f}, "
        f"{p95(ticks):.0f}, {ticks[-1]:.0f} | {statistics.median(cpu):.0f}, {p95(cpu):.0f}, "
        f"{cpu[-1]:.0f} | {run.out_of_order} | {run.over} | {run.late} | "
        f"{run.used:.0%} | {run.unfair:.1%} | {waits} | "
        f"{run.memory_mib[0]:.0f} → {run.memory_mib[1]:.0f} |"
    )


def one(folder: Path, url: str, sizes: dict[str, Any]) -> Run:
    return simulate(folder, url, **sizes)


def main() -> None:
    """Exit status 1: a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--projects", type=int, default=4)
    parser.add_argument("--within", type=float, default=300, help="seconds in which all come")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    sizes = {"nodes": asked.nodes, "count": asked.jobs, "projects": asked.projects}
    sizes |= {"within_s": asked.within, "seed": asked.seed}
    print(f"{header()}; {asked.nodes} nodes, {asked.jobs} jobs, seed {asked.seed}, n = 1\n")
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"|{'---|' * len(COLUMNS)}", flush=True)
    broken = []
    with (
        tempfile.TemporaryDirectory(prefix="residual-bench-") as folder,
        databases(Path(folder)) as urls,
    ):
        for kind, url in urls.items():
            with tempfile.TemporaryDirectory(prefix="residual-bench-") as its:
                run = apart(one, Path(its), url, sizes)
            print(row(kind, run), flush=True)
            broken += run.broken()
    raise SystemExit("\n".join(broken) if broken else 0)


if __name__ == "__main__":
    main()
