"""What the processes of a service take, looked at every few seconds: memory, open files, threads,
processes, disk. Used by `soak`, which judges whether any of it grows for ever."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from service.local import ray_record
from service.local.instance import Places
from service.local.processes import mark_of, marked
from tests.chaos.kinds import command_line, is_training
from tests.chaos.stack import Stack

EVERY_S = 5.0
SETTLES_S = 600.0
"""A process is believed to have taken what it needs after so long; then its growth is judged."""


class Taken(NamedTuple):
    """By the processes of one group."""

    memory_mb: float
    files: int
    threads: int
    processes: int


@dataclass(frozen=True)
class Sample:
    at_s: float
    """Since the first one."""
    groups: dict[str, Taken]
    """api, replicas, training, ray."""
    disk_mb: float
    """Of database, store, data directory and Ray's own, with logs."""


@dataclass
class Samples:
    """Growing while `sampling` is open."""

    stack: Stack
    taken: list[Sample] = field(default_factory=list)

    def look(self, at_s: float) -> None:
        groups = {name: _sum(found) for name, found in self._groups().items()}
        disk_mb = sum(map(_disk_mb, self._folders()))
        self.taken.append(Sample(at_s, groups, round(disk_mb, 1)))

    def of(self, group: str, *, after_s: float = 0.0) -> list[tuple[float, Taken]]:
        return [(each.at_s, each.groups[group]) for each in self.taken if each.at_s >= after_s]

    def _groups(self) -> dict[str, list[psutil.Process]]:
        groups: dict[str, list[psutil.Process]] = {
            "api": self.stack.processes("api"),
            "replicas": [],
            "training": [],
            "ray": [],
        }
        for each in marked(mark_of(self.stack.data_dir)):
            if is_training(each):
                groups["training"].append(each)
            elif "ServeReplica" in command_line(each):
                groups["replicas"].append(each)
            else:
                groups["ray"].append(each)
        return groups

    def _folders(self) -> Iterator[Path]:
        yield self.stack.folder  # data directory and store
        if self.stack.database:
            yield self.stack.database.folder
        if record := ray_record.load(Places(self.stack.data_dir)):
            yield record.temp_dir


@contextmanager
def sampling(stack: Stack) -> Iterator[Samples]:
    samples, stop, began = Samples(stack), threading.Event(), time.monotonic()

    def go() -> None:
        while not stop.wait(EVERY_S):
            samples.look(time.monotonic() - began)

    thread = threading.Thread(target=go, name="sampler")
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Of the straight line nearest to them, a minute; None of fewer than two minutes."""
    if len(points) < 3 or points[-1][0] - points[0][0] < 120:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    over = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return 60 * over / sum((x - mean_x) ** 2 for x, _ in points)


def picture(samples: Samples, path: Path) -> None:
    """Memory over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for group in samples.taken[0].groups:
        found = samples.of(group)
        axes.plot([at / 60 for at, _ in found], [one.memory_mb for _, one in found], label=group)
    axes.set(xlabel="minutes", ylabel="resident memory, MB", yscale="log")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def _sum(processes: Sequence[psutil.Process]) -> Taken:
    memory, files, threads, count = 0.0, 0, 0, 0
    for each in processes:
        with contextlib.suppress(psutil.Error), each.oneshot():  # gone since it was listed
            memory += each.memory_info().rss / 1e6
            files += each.num_fds()
            threads += each.num_threads()
            count += 1
    return Taken(round(memory, 1), files, threads, count)


def _disk_mb(folder: Path) -> float:
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(directory, name)).st_size
    return total / 1e6
