"""The workers of one attempt as processes of this machine: no Ray, no service. `runs` starts and kills them.

They are real processes with real signals, on gloo, with the same code in them as on a cluster.
"""

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from ctypes import c_int64
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainer.contract.attempts import Order
from trainer.contract.objects.open import open_store
from trainer.contract.spec import ResolvedSpec
from trainer.training import attempt, notice, vigil
from trainer.training.device import threads
from trainer.training.group import Group
from trainer.training.notice import Notice
from trainer.training.parent import die_with_parent
from trainer.training.setup import Setting, averaged
from trainer.training.vigil import Vigil

LOOPBACK = "lo" if sys.platform == "linux" else "lo0"
LEAVE_WITHIN_S = 10.0
"""Seconds that the others have to end by themselves when a worker was killed; then they are killed too, as
Ray Train does at once."""
LOOK_EVERY_S = 0.002

Around = Callable[[nn.Module, int], nn.Module]
"""Puts something around the network of a worker, whose rank is given. It has to be picklable."""


def nothing(network: nn.Module, _: int) -> nn.Module:
    return network


class Counted(nn.Module):
    """A network that shows from outside in which optimizer step it is."""

    def __init__(self, network: nn.Module, watch: Vigil, shown: Any) -> None:
        super().__init__()
        self.network = network
        self._watch = watch
        self._shown = shown

    def forward(self, images: Tensor) -> Tensor:
        self._shown.value = self._watch.step
        logits: Tensor = self.network(images)
        return logits


@dataclass(frozen=True)
class Task:
    """What every worker of an attempt is told."""

    order: str
    """As JSON."""
    url: str
    """Of the store."""
    scratch: Path
    """A directory of this attempt alone, where the workers meet and leave what they failed of."""
    around: Around


def work(rank: int, task: Task, shown: Any) -> None:
    """One worker, from its start to its end: exit status 0 when it came to it in order."""
    die_with_parent(os.getppid())
    status = 1
    try:
        _work(rank, task, shown)
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it was is written down
        (task.scratch / f"{rank}.txt").write_text(traceback.format_exc())
    os._exit(status)  # threads that still wait for another worker would keep it


def _work(rank: int, task: Task, shown: Any) -> None:
    order = Order.model_validate_json(task.order)
    spec = order.spec
    if not isinstance(spec, ResolvedSpec):
        raise TypeError("only trainings can be verified")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
    torch.set_num_threads(threads(spec.cpus_per_worker))
    notice.listen()
    group = Group(rank, spec.workers)
    if group.world > 1:
        meeting = (task.scratch / "meeting").as_uri()
        dist.init_process_group("gloo", meeting, rank=rank, world_size=group.world)
    store, clock = open_store(task.url), partial(datetime.now, UTC)
    given = notice.heard() or Notice()
    watch = Vigil(store, order.job_id, order.attempt, str(rank), clock, notice=given)

    def wrap(network: nn.Module) -> nn.Module:
        inner = task.around(network, rank)
        if group.first:
            inner = Counted(inner, watch, shown)
        return averaged(inner) if group.world > 1 else inner

    at = Setting(
        store=store,
        group=group,
        device=torch.device("cpu"),
        wrap=wrap,
        versions={name: version(name) for name in ("torch", "residual")},
        clock=clock,
        vigil=watch,
    )
    with vigil.kept(watch, looks=True) if group.first else nullcontext():
        attempt.run(order, spec, at)


class Failed(Exception):
    """An attempt failed that nobody had disturbed. The message is the worker's last words."""


@dataclass
class Team:
    """The processes of an attempt."""

    scratch: Path
    members: list[BaseProcess]
    shown: Any

    @classmethod
    def start(cls, order: Order, url: str, scratch: Path, around: Around = nothing) -> Self:
        """Torch is imported once, in a process from which all workers of this program are forked."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, "trainer.data.bundled", "sklearn.datasets"])
        scratch.mkdir(parents=True)
        shown = context.RawValue(c_int64, 0)
        task = Task(order.model_dump_json(), url, scratch, around)
        ranks = range(order.spec.workers)
        members: list[BaseProcess] = [
            context.Process(target=work, args=(rank, task, shown), daemon=True) for rank in ranks
        ]
        for member in members:
            member.start()
        return cls(scratch, members, shown)

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return int(self.shown.value)

    @property
    def running(self) -> bool:
        return all(member.is_alive() for member in self.members)

    def until_step(self, step: int) -> bool:
        """Wait until `step` steps are done; False: it ended before."""
        while self.running and self.step < step:
            time.sleep(LOOK_EVERY_S)
        return self.running

    def kill(self, ranks: Sequence[int]) -> None:
        """SIGKILL some workers; the others find out, and end."""
        for rank in ranks:
            self.members[rank].kill()
        until = time.monotonic() + LEAVE_WITHIN_S
        for member in self.members:
            member.join(max(0.0, until - time.monotonic()))
        self.end()

    def finish(self) -> None:
        """Return when all have ended in order. Raises Failed."""
        try:
            while any(member.is_alive() for member in self.members):
                if any(member.exitcode for member in self.members):
                    break
                time.sleep(LOOK_EVERY_S)
        finally:
            self.end()
        bad = [rank for rank, member in enumerate(self.members) if member.exitcode != 0]
        if bad:
            raise Failed(self._last_words(bad))

    def end(self) -> None:
        """Leave no process behind."""
        for member in self.members:
            member.kill()
            member.join()

    def _last_words(self, ranks: Sequence[int]) -> str:
        for rank in ranks:
            words = self.scratch / f"{rank}.txt"
            if words.exists():
                lines = words.read_text().strip().splitlines()
                return f"worker {rank}: {lines[-1]}"
        return f"worker {ranks[0]} ended with status {self.members[ranks[0]].exitcode}"
