"""The faults: which process is killed or frozen, and how that is undone."""

import contextlib
import random
import signal
import time
from dataclasses import dataclass

import psutil

from tests.chaos.history import Struck
from tests.chaos.kinds import Kind
from tests.chaos.stack import Stack


@dataclass(frozen=True)
class Fault:
    """What happens to one process."""

    kind: Kind
    frozen_s: float = 0.0
    """How long it is stopped, and then goes on; 0: it is killed."""

    @property
    def kills(self) -> bool:
        return not self.frozen_s

    def __str__(self) -> str:
        return f"kill {self.kind}" if self.kills else f"freeze {self.kind} {self.frozen_s:g} s"


WEIGHTS: dict[Fault, int] = {
    Fault("worker"): 30,
    Fault("driver"): 18,
    Fault("api"): 18,
    Fault("database"): 8,
    Fault("store"): 8,
    Fault("raylet"): 8,
    Fault("gcs"): 8,
    Fault("worker", frozen_s=8): 3,
    Fault("driver", frozen_s=8): 3,
    Fault("api", frozen_s=8): 4,
}
"""Of a hundred. 8 s is longer than the lease of the reconciler, and shorter than that of an attempt."""

AWAY_S = (0.0, 4.0)
"""How long a killed API, database or store stays away."""


def choose(chance: random.Random) -> Fault:
    return chance.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]


def strike(stack: Stack, fault: Fault, chance: random.Random) -> Struck | None:
    """Do it to one process of its kind, and undo what does not mend itself: the database and the store are
    started again, the API too, and what is frozen goes on. None: there is no such process."""
    found = stack.processes(fault.kind)
    if not found:
        return None
    victim, away_s = chance.choice(found), chance.uniform(*AWAY_S)
    record = Struck(at=time.time(), fault=str(fault), pid=victim.pid)
    if not fault.kills:
        freeze([victim], for_s=fault.frozen_s)
    elif fault.kind == "api":
        stack.kill_api()
        time.sleep(away_s)
        stack.restart_api()
    elif fault.kind == "database" and stack.database:
        stack.database.kill()
        time.sleep(away_s)
        stack.database.start()
    elif fault.kind == "store" and stack.store:
        stack.store.kill()
        time.sleep(away_s)
        stack.store.start()
    else:
        kill(victim)
    return record


def freeze(victims: list[psutil.Process], *, for_s: float) -> None:
    """Stop processes, and let go on whatever of them is still there."""
    for each in victims:
        send(each, signal.SIGSTOP)
    try:
        time.sleep(for_s)
    finally:
        for each in victims:
            send(each, signal.SIGCONT)


def kill(victim: psutil.Process) -> None:
    send(victim, signal.SIGKILL)


def send(victim: psutil.Process, number: signal.Signals) -> None:
    """Nothing happens to a process that has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.send_signal(number)
