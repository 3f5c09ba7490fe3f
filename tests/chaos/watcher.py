"""Looks at all jobs as a client does, as long as an experiment lasts, and writes down what changes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from service.lifecycle import TERMINAL, State
from tests.chaos.history import History, Seen
from tests.chaos.stack import Stack

LOOK_EVERY_S = 0.5


@dataclass
class Watcher:
    """What clients have been shown so far."""

    stack: Stack
    history: History
    shown: dict[str, tuple[State, int]] = field(default_factory=dict)
    """Job → its state and attempt."""
    changed_at: float = field(default_factory=time.monotonic)
    """When something was last shown that was new."""

    def look(self) -> None:
        """Raises httpx.HTTPError when the service does not answer."""
        answer = self.stack.api.get("/jobs", params={"limit": 200}).raise_for_status()
        for job in answer.json()["items"]:
            now = (State(job["state"]), job["attempt"])
            if self.shown.get(job["id"]) == now:
                continue
            self.shown[job["id"]], self.changed_at = now, time.monotonic()
            seen = Seen(
                at=time.time(),
                job=job["id"],
                state=now[0],
                attempt=now[1],
                reason=job["reason"]["code"] if job["reason"] else None,
            )
            self.history.add(seen)

    def live(self) -> int:
        """How many jobs have not ended, as last shown."""
        return sum(state not in TERMINAL for state, _ in list(self.shown.values()))


@contextmanager
def watching(stack: Stack, history: History) -> Iterator[Watcher]:
    """A watcher that looks until the `with` ends."""
    watcher, stop = Watcher(stack, history), threading.Event()

    def watch() -> None:
        while not stop.wait(LOOK_EVERY_S):
            try:
                watcher.look()
            except httpx.HTTPError:
                continue  # it is away, as the experiment wants it

    thread = threading.Thread(target=watch, name="watcher")
    thread.start()
    try:
        yield watcher
    finally:
        stop.set()
        thread.join()
