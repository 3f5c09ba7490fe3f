"""Tells a collector what happens, from a thread of its own: nobody waits for it, nothing depends on it."""

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import httpx
import structlog
from structlog.contextvars import get_contextvars

from service.lifecycle import Job
from service.tracing import story
from service.tracing.spans import Place, Span
from service.tracing.story import Facts

MOST_WAITING = 2000
"""Changes that wait to be told. What comes while so many wait is lost, and the log says so."""
TOGETHER = 100
"""Changes that are sent with one request."""
FAREWELL_S = 3.0
"""Seconds that the last ones get when the service stops."""

Tell = Callable[[], Iterable[Span]]


@dataclass
class Tracer:
    """Sends spans when they are over. Safe for several threads at once."""

    send: Callable[[Sequence[Span]], None]
    """Raises httpx.HTTPError."""
    facts: Callable[[Job], Facts | None]
    """Of a job's newest attempt; asked by the tracer's thread."""
    _waiting: "queue.Queue[Tell | None]" = field(
        default_factory=lambda: queue.Queue(maxsize=MOST_WAITING)
    )
    _thread: threading.Thread | None = None
    _trouble: str | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="tracer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send what waits; a collector that is slow holds up the end for a moment only."""
        if self._thread is not None:
            self._put(None)
            self._thread.join(FAREWELL_S)

    def moved(self, was: Job | None, now: Job) -> None:
        """A job changed its state."""
        if was is None:
            self.over(story.root(now, now.created_at, asked_by=_request()))
        else:
            self._put(lambda: list(story.told(was, now, lambda: self.facts(was))))

    def over(self, span: Span) -> None:
        """It ended."""
        self._put(lambda: [span])

    def _put(self, tell: Tell | None) -> None:
        try:
            self._waiting.put_nowait(tell)
        except queue.Full:
            self._say(f"more than {MOST_WAITING} spans wait")

    def _run(self) -> None:
        ends = False
        while not ends:
            waiting = [self._waiting.get()]
            while len(waiting) < TOGETHER and not self._waiting.empty():
                waiting.append(self._waiting.get())
            ends = None in waiting
            self._tell([tell for tell in waiting if tell])

    def _tell(self, waiting: Sequence[Tell]) -> None:
        spans: list[Span] = []
        for tell in waiting:
            try:
                spans.extend(tell())
            except Exception as error:  # noqa: BLE001 - a part is away: this one is not told
                self._say(repr(error))
        if not spans:
            return
        try:
            self.send(spans)
        except httpx.HTTPError as error:
            self._say(type(error).__name__)
        else:
            self._trouble = None

    def _say(self, trouble: str) -> None:
        """Once, as long as it stays the same."""
        if trouble != self._trouble:
            self._trouble = trouble
            structlog.get_logger().warning("traces_lost", why=trouble)


def _request() -> Place | None:
    """The request that is being answered, if its caller traces it."""
    bound = get_contextvars()
    trace, span = bound.get("trace_id"), bound.get("span_id")
    return Place(trace, span) if trace and span else None
