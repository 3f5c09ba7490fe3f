"""A proxy in front of Ray's dashboard that can swallow requests, or answer nonsense in Ray's place."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

PASSED_ON = ("authorization", "content-type", "accept")
UPSTREAM_TIMEOUT_S = 60.0


class Mood(StrEnum):
    """What it does with a request."""

    HONEST = "honest"
    """Passes it on."""
    SWALLOWS = "swallows"
    """Takes it and says nothing, as long as it is in this mood."""
    FAILS = "fails"
    """500, with a page."""
    HTML = "html"
    """200, with a page: a captive portal, say."""
    EMPTY = "empty"
    """200, with an empty JSON object."""
    OTHER_SHAPE = "other_shape"
    """200, with JSON of another shape than Ray's."""
    NOT_FOUND = "not_found"
    """404, and not Ray's."""


NONSENSE = tuple(Mood)[2:]

LIES: dict[Mood, tuple[int, str, bytes]] = {
    Mood.FAILS: (500, "text/html", b"<h1>500 Internal Server Error</h1>"),
    Mood.HTML: (200, "text/html", b"<html><body>Please log in</body></html>"),
    Mood.EMPTY: (200, "application/json", b"{}"),
    Mood.OTHER_SHAPE: (200, "application/json", b'[{"status": null, "data": [1]}, 2]'),
    Mood.NOT_FOUND: (404, "application/json", b'{"detail": "Not Found"}'),
}


@dataclass
class Liar:
    """A running one; its mood may be changed at any time, also for requests that wait."""

    address: str
    upstream: httpx.Client = field(repr=False)
    mood: Mood = Mood.HONEST
    lies: int = 0
    """Requests that were not passed on."""
    changed: threading.Event = field(default_factory=threading.Event, repr=False)

    def become(self, mood: Mood) -> None:
        self.mood = mood
        self.changed.set()
        self.changed = threading.Event()

    def answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> httpx.Response:
        """What the client gets. Raises ConnectionAbortedError when that is nothing at all."""
        if self.mood is Mood.HONEST:
            return self.upstream.request(method, path, headers=headers, content=body)
        self.lies += 1
        if self.mood is Mood.SWALLOWS:
            self.changed.wait()
            raise ConnectionAbortedError
        status, kind, content = LIES[self.mood]
        return httpx.Response(status, headers={"Content-Type": kind}, content=content)


@contextmanager
def liar(upstream: str) -> Iterator[Liar]:
    """A proxy of `upstream` on a free port of loopback, honest at first."""
    with httpx.Client(base_url=upstream, timeout=UPSTREAM_TIMEOUT_S, trust_env=False) as client:
        server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        made = Liar(f"http://127.0.0.1:{server.server_port}", client)
        server.RequestHandlerClass = _handler(made)
        thread = threading.Thread(target=server.serve_forever, name="liar")
        thread.start()
        try:
            yield made
        finally:
            made.become(Mood.FAILS)  # lets go of those that it keeps waiting
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(made: Liar) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
            self.close_connection = True  # the next request may meet another mood
            with suppress(ConnectionError, httpx.TransportError):
                answer = made.answer(self.command, self.path, kept, body)
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
                self.send_header("Content-Length", str(len(answer.content)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - the base class looks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Says nothing."""

    return Handler
