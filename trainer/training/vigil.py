"""What an attempt's process tells the service while it works, and what it hears from it.

The driver keeps one, and the first worker. Loads no torch: the driver begins before that.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from trainer.contract import attempts, layout
from trainer.contract.attempts import BEAT_EVERY_S, Halt, Heartbeat, Outcome
from trainer.contract.objects.store import ObjectStore, StoreUnavailable
from trainer.contract.reasons import Code, Reason, reason
from trainer.training.endings import Fenced, Halted
from trainer.training.notice import Notice
from trainer.training.patience import patiently
from trainer.training.pulse import Pulse

LOOKS_A_BEAT = 3
"""How often the service's wishes are looked for between two signs of life: about once a second."""
CLOSED_GRACE_S = 5.0
"""Seconds that a worker has to end by itself once its attempt is closed. It may be waiting for another
worker for ever, so then it is killed."""
FAREWELL_S = 5.0
"""Seconds that a store may be away when the last sign of life is due."""


@dataclass
class Vigil:
    """One process's. Workers but the first have one that nobody keeps: it hears only of notices."""

    store: ObjectStore
    job_id: str
    attempt: int
    who: str
    """'driver', or '0' for the first worker."""
    clock: Callable[[], datetime]
    step: int = 0
    """Optimizer steps done; whoever does them sets it."""
    halt: Halt | None = None
    """The service's wish that the attempt end, once it is known."""
    closed: Outcome | None = None
    """The outcome that somebody else gave the attempt."""
    notice: Notice = field(default_factory=Notice)
    """That this process or its machine is about to go."""
    pulse: Pulse = field(default_factory=Pulse)
    """What its loop waited for; whoever waits adds to it."""
    _beats: int = 0

    def beat(self, *, ended: bool = False) -> None:
        """Give a sign of life. Raises StoreUnavailable."""
        self._beats += 1
        sign = Heartbeat(
            number=self._beats,
            step=self.step,
            ended=ended,
            data_s=self.pulse.data_s,
            stall_s=self.pulse.stall_s,
            stored_at=self.pulse.stored_at,
            at=self.clock(),
        )
        key = layout.heartbeat(self.job_id, self.attempt, self.who)
        self.store.put(key, sign.model_dump_json().encode())

    def look(self) -> None:
        """Hear what the service wishes. Raises StoreUnavailable."""
        if self.halt is None:
            self.halt = attempts.read(self.store, layout.halt(self.job_id, self.attempt), Halt)
        self.closed = attempts.read(self.store, layout.outcome(self.job_id, self.attempt), Outcome)

    @property
    def wished(self) -> bool:
        """Whether the attempt is to end: the service wants it, or this process is about to go."""
        return self.halt is not None or self.notice.why is not None

    def check(self) -> None:
        """Raise Fenced if the attempt was closed."""
        if self.closed is not None:
            raise Fenced(
                f"attempt {self.attempt} of {self.job_id} was closed as {self.closed.status}"
            )

    def interrupt(self) -> None:
        """Raise Fenced, or Halted if the attempt is to end."""
        self.check()
        if self.wished:
            raise Halted(self.why([int(self.who)]))

    def why(self, wishers: Sequence[int]) -> Reason:
        """Why the attempt ends, of which these workers wished it."""
        if self.halt is not None:
            return self.halt.reason
        told = self.notice.why or "its process or its machine is about to go"
        who = ", ".join(f"worker {rank}" for rank in wishers)
        return reason(Code.PREEMPTED, f"Notice to {who}: {told}.")


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Keeper:
    """The thread that keeps a vigil. A store that is away only delays it."""

    vigil: Vigil
    looks: bool
    """Whether it asks for the service's wishes as well: for the first worker."""
    beat_every_s: float = BEAT_EVERY_S
    closed_grace_s: float = CLOSED_GRACE_S
    kill: Callable[[], None] = _kill
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Beat, and look, until `ending` is set; then beat a last time."""
        while not self.ending.is_set():
            with suppress(StoreUnavailable):
                self.vigil.beat()
            for _ in range(LOOKS_A_BEAT):
                if self.looks:
                    self._look()
                if self.ending.wait(self.beat_every_s / LOOKS_A_BEAT):
                    break
        with suppress(StoreUnavailable):
            patiently(lambda: self.vigil.beat(ended=True), patience_s=FAREWELL_S)

    def _look(self) -> None:
        with suppress(StoreUnavailable):
            self.vigil.look()
        if self.vigil.closed is not None and not self.ending.wait(self.closed_grace_s):
            self.kill()


@contextmanager
def kept(vigil: Vigil, *, looks: bool) -> Iterator[None]:
    """Give signs of life, and look for the service's wishes if it `looks`, while this lasts."""
    keeper = Keeper(vigil, looks)
    thread = threading.Thread(target=keeper.run, name="vigil", daemon=True)
    thread.start()
    try:
        yield
    finally:
        keeper.ending.set()
        thread.join(2 * FAREWELL_S)
