"""A training in this process, its observer and the keeper of its checkpoints, for `checkpoint_stall` and
`checkpoint_cost`. No Ray and no service: what is measured is what the loop itself waits for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from trainer.contract import layout
from trainer.contract.attempts import Order
from trainer.contract.datasets import DATASETS
from trainer.contract.journal import JournalWriter
from trainer.contract.objects.local import LocalStore
from trainer.contract.resolve import resolve
from trainer.contract.spec import ResolvedSpec, TrainSpec
from trainer.data.load import load
from trainer.training.background import BackgroundJournal
from trainer.training.checkpoint import Checkpointer
from trainer.training.group import Group
from trainer.training.learner import Learner
from trainer.training.loop import add_gradients
from trainer.training.reporter import Follower, Reporter
from trainer.training.setup import Setting, averaged, make_checkpointer, make_learner
from trainer.training.vigil import Vigil

JOB = "benchmark"


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Training:
    """One that is taken step by step. Nothing is validated, so that only checkpoints differ."""

    learner: Learner
    checkpoints: Checkpointer
    reporter: Reporter
    fellow: Connection | None = None
    """Tells the other worker, where there are two, how many steps to take."""
    done: int = 0
    """Steps so far."""

    @property
    def device(self) -> torch.device:
        return self.learner.device

    def steps(self, count: int) -> None:
        """As the loop takes them, with the other worker if there is one."""
        if self.fellow:
            self.fellow.send(count)
        for _ in range(count):
            self.step()

    def step(self) -> None:
        """As the loop takes one."""
        self.update(self.compute())

    def compute(self) -> Tensor:
        """Its first part: gradients, and their tally."""
        return add_gradients(self.learner, self.done % self.learner.spec.iterations)

    def update(self, sums: Tensor) -> None:
        """Its second part: the weights."""
        self.learner.optimizer.step()
        self.learner.optimizer.zero_grad()
        self.done += 1
        self.reporter.trained(self.done, 0.0, sums)

    def wait(self) -> None:
        """For what a GPU still has to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe() -> str:
    """What it runs on, besides the processor."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    load = Path("/proc/loadavg").read_text().split()[0]
    return f"no GPU: not measured; {torch.get_num_threads()} threads; load average {load}"


def spec(classes: int | None = None, **body: Any) -> ResolvedSpec:
    """Of `body`; with as many outputs as `classes` says, of which the data uses the first."""
    wanted = TrainSpec.model_validate(body)
    found = resolve(wanted, DATASETS[wanted.dataset], gpus=int(torch.cuda.is_available()))
    return found.model_copy(update={"classes": classes}) if classes else found


@contextmanager
def training(spec: ResolvedSpec, folder: Path) -> Iterator[Training]:
    """Its store is a directory in `folder`, which should be on a disk like a user's. Of two workers the other
    is a process of its own, and each computes with one thread, as the service would have them."""
    if spec.workers > 1:
        with _fellow(spec, folder) as told:
            torch.set_num_threads(1)
            _join(folder, rank=0)
            with _training(spec, folder, Group(0, 2), told) as made:
                yield made
            told.send(0)
            dist.destroy_process_group()
    else:
        torch.set_num_threads(os.cpu_count() or 1)  # another one may have had fewer
        with _training(spec, folder, Group(), None) as made:
            yield made


@contextmanager
def _training(
    spec: ResolvedSpec, folder: Path, group: Group, fellow: Connection | None
) -> Iterator[Training]:
    order = Order(job_id=JOB, attempt=1, spec=spec, resume_attempts=())
    place = _place(folder, group)
    learner = _learner(spec, place)
    with BackgroundJournal(JournalWriter(place.store, layout.metrics(JOB, 1))) as journal:
        checkpoints = make_checkpointer(order, learner, None, journal, place)
        reporter = Reporter(spec, group, journal, checkpoints, place.vigil, utc_now)
        yield Training(learner, checkpoints, reporter, fellow)
        reporter.finish()
        checkpoints.close()


@contextmanager
def _fellow(spec: ResolvedSpec, folder: Path) -> Iterator[Connection]:
    apart = get_context("spawn")
    told, asks = apart.Pipe()
    process = apart.Process(target=_follow, args=(spec, folder, asks))
    process.start()
    try:
        yield told
        process.join()
    finally:
        process.kill()  # of a training that failed it would wait for ever


def _follow(spec: ResolvedSpec, folder: Path, asks: Connection) -> None:
    """The second worker: as many steps as it is asked for, until it is asked for none."""
    torch.set_num_threads(1)
    _join(folder, rank=1)
    place = _place(folder, Group(1, 2))
    learner = _learner(spec, place)
    follower, done = Follower(place.group, place.vigil, utc_now), 0
    while count := asks.recv():
        for _ in range(count):
            sums = add_gradients(learner, done % spec.iterations)
            learner.optimizer.step()
            learner.optimizer.zero_grad()
            done += 1
            follower.trained(done, 0.0, sums)
    dist.destroy_process_group()


def _join(folder: Path, rank: int) -> None:
    dist.init_process_group("gloo", f"file://{folder}/group", rank=rank, world_size=2)


def _place(folder: Path, group: Group) -> Setting:
    store = LocalStore(folder / "store")
    return Setting(
        store=store,
        group=group,
        device=device(),
        wrap=averaged if group.world > 1 else lambda network: network,
        versions={},
        clock=utc_now,
        vigil=Vigil(store, JOB, 1, str(group.rank), utc_now),
    )


def _learner(spec: ResolvedSpec, place: Setting) -> Learner:
    dataset = load(DATASETS[spec.dataset], place.store, input_size=spec.input_size)
    learner = make_learner(spec, dataset, place)
    learner.model.train()
    return learner
