"""Runs of a training from its first step to its last: undisturbed, and killed and resumed. For `verify`."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.contract import attempts, layout
from trainer.contract.attempts import Order, Started
from trainer.contract.objects.local import LocalStore
from trainer.contract.spec import ResolvedSpec
from trainer.verify.team import Around, Team, nothing
from trainer.verify.verdict import Killed

MOST_DELAY_S = 0.1
"""A kill comes so long after its step began, at most: in the forward pass, the backward pass, the sum over
the workers, or while a checkpoint is written."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Kill:
    """SIGKILL for some workers, soon after so many steps are done."""

    step: int
    ranks: tuple[int, ...]
    delay_s: float


def plan(number: int, spec: ResolvedSpec, seed: int) -> list[Kill]:
    """`number` kills at random steps, lowest first, of one worker or all of them."""
    draw = random.Random(seed)  # noqa: S311 - nothing is kept secret
    everyone = tuple(range(spec.workers))
    choices = [everyone, *((rank,) for rank in everyone)]
    steps = sorted(draw.sample(range(1, spec.iterations), min(number, spec.iterations - 1)))
    return [Kill(step, draw.choice(choices), draw.uniform(0, MOST_DELAY_S)) for step in steps]


@dataclass
class Run:
    """A job of the name `job_id`, attempt after attempt."""

    job_id: str
    spec: ResolvedSpec
    folder: Path
    """Where the store is; several runs can share it."""
    around: Around = nothing
    attempt: int = 0

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.folder / "store")

    def order(self) -> Order:
        """Of the next attempt."""
        self.attempt += 1
        before = tuple(range(1, self.attempt))
        return Order(
            job_id=self.job_id, attempt=self.attempt, spec=self.spec, resume_attempts=before
        )

    def start(self) -> Team:
        order = self.order()
        scratch = self.folder / f"{self.job_id}-{order.attempt}"
        return Team.start(order, self.store.root.as_uri(), scratch, self.around)

    def finish(self) -> float:
        """Let the next attempt come to the end; the seconds it took. Raises Failed."""
        began = time.monotonic()
        self.start().finish()
        return time.monotonic() - began

    def resumed_step(self) -> int | None:
        """Of the newest attempt; None: it did not come so far as to say."""
        key = layout.started(self.job_id, self.attempt)
        found = attempts.read(self.store, key, Started)
        return found.resumed_step if found else None

    def disturb(self, kill: Kill) -> Killed | None:
        """Let the next attempt run until it is killed; None: it came to the end before. Raises Failed."""
        team = self.start()
        try:
            if team.until_step(kill.step):
                time.sleep(kill.delay_s)
            if not team.running:
                team.finish()
                return None
            seen = team.step
            team.kill(kill.ranks)
        finally:
            team.end()
        everyone = len(kill.ranks) == len(team.members)
        return Killed(
            attempt=self.attempt,
            resumed_step=self.resumed_step(),
            step=seen,
            workers="all" if everyone else str(kill.ranks[0]),
        )


def disturbed(run: Run, kills: Sequence[Kill], say: Say) -> list[Killed]:
    """Take `run` to its end through `kills`. Raises Failed."""
    done: list[Killed] = []
    for kill in kills:
        killed = run.disturb(kill)
        if killed is None:
            say(f"attempt {run.attempt} came to the end before its kill at step {kill.step}")
            return done
        who = "all workers" if killed.workers == "all" else f"worker {killed.workers}"
        begun = f"attempt {killed.attempt}, from step {killed.resumed_step}"
        say(f"{begun}: killed {who} after step {killed.step}")
        done.append(killed)
    seconds = run.finish()
    say(f"attempt {run.attempt}, from step {run.resumed_step()}: to the end in {seconds:.1f} s")
    return done
