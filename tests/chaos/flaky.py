"""A proxy in front of an object store that loses some requests and some answers, as a bad network does.
For `storage`."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "expect", "transfer-encoding", "te", "upgrade"}
UPSTREAM_TIMEOUT_S = 60.0
SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class Failure(StrEnum):
    """What can become of a request."""

    LOST = "lost"
    """It never reaches the store, and nobody answers."""
    UNANSWERED = "unanswered"
    """The store does it, and nobody answers."""
    CUT = "cut"
    """The store does it, and the answer breaks off in the middle."""
    REFUSED = "refused"
    """503, with what S3 says then."""


@dataclass
class Flaky:
    """A running one."""

    endpoint: str
    upstream: tuple[str, int]
    """Host and port of the store."""
    chance: random.Random
    failing: float = 0.0
    """Share of the requests that fail, 0 … 1; may be changed at any time."""
    passed: int = 0
    failed: Counter[Failure] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def fate(self) -> Failure | None:
        """Of the next request."""
        with self._lock:
            if self.chance.random() >= self.failing:
                self.passed += 1
                return None
            fate = self.chance.choice(list(Failure))
            self.failed[fate] += 1
            return fate

    def ask(
        self, method: str, path: str, headers: "Message[str, str]", body: bytes
    ) -> tuple[HTTPResponse, bytes]:
        """The store's answer. Raises OSError or HTTPException when it does not come."""
        connection = HTTPConnection(*self.upstream, timeout=UPSTREAM_TIMEOUT_S)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():  # Host too: it is part of what is signed
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()


@contextmanager
def flaky(upstream: tuple[str, int], chance: random.Random) -> Iterator[Flaky]:
    """A proxy of `upstream` on a free port of loopback; nothing fails at first."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.daemon_threads = True
    made = Flaky(f"http://127.0.0.1:{server.server_port}", upstream, chance)
    server.RequestHandlerClass = _handler(made)
    thread = threading.Thread(target=server.serve_forever, name="flaky")
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(made: Flaky) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fate = made.fate()
            self.close_connection = fate is not None
            # To the client it is silence, whoever's fault it is.
            with suppress(OSError, HTTPException):
                if fate is Failure.REFUSED:
                    self.reply(503, [("Content-Type", "application/xml")], SLOW_DOWN)
                elif fate is not Failure.LOST:
                    self.pass_on(body, fate)
                return
            self.close_connection = True

        def pass_on(self, body: bytes, fate: Failure | None) -> None:
            answer, content = made.ask(self.command, self.path, self.headers, body)
            if fate is not Failure.UNANSWERED:
                kept = [(name, value) for name, value in answer.getheaders() if _is_kept(name)]
                sent = content[: len(content) // 2] if fate is Failure.CUT else content
                self.reply(answer.status, kept, sent, size=answer.getheader("Content-Length"))

        def reply(
            self,
            status: int,
            headers: list[tuple[str, str]],
            content: bytes,
            size: str | None = None,
        ) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", size or str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve  # noqa: N815 - the base class looks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Says nothing."""

    return Handler


def _is_kept(name: str) -> bool:
    return name.lower() not in HOP_BY_HOP | {"content-length"}
