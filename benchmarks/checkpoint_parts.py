"""A training in this process, its observer and the keeper of its checkpoints, for `checkpoint_stall` and
`checkpoint_cost`. No Ray and no service: what is measured is what the loop itself waits for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
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
from trainer.training.reporter import Reporter
from trainer.training.setup import Setting, make_checkpointer, make_learner
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
    done: int = 0
    """Steps so far."""

    @property
    def device(self) -> torch.device:
        return self.learner.device

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
    """Its store is a directory in `folder`, which should be on a disk like a user's."""
    store = LocalStore(folder / "store")
    order = Order(job_id=JOB, attempt=1, spec=spec, resume_attempts=())
    place = Setting(
        store=store,
        group=Group(),
        device=device(),
        wrap=lambda network: network,
        versions={},
        clock=utc_now,
        vigil=Vigil(store, JOB, 1, "0", utc_now),
    )
    dataset = load(DATASETS[spec.dataset], store, input_size=spec.input_size)
    learner = make_learner(spec, dataset, place)
    learner.model.train()
    with BackgroundJournal(JournalWriter(store, layout.metrics(JOB, 1))) as journal:
        checkpoints = make_checkpointer(order, learner, None, journal, place)
        reporter = Reporter(spec, place.group, journal, checkpoints, place.vigil, utc_now)
        yield Training(learner, checkpoints, reporter)
        reporter.finish()
        checkpoints.close()
