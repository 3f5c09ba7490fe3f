"""A real receiver of webhooks on this machine, which answers as a test says."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import httpx

from service.clock import utc_now
from service.webhooks import hosts
from service.webhooks.delivery import Messenger
from tests.jobs.making import Clock

SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        """What it says of a job."""
        message: dict[str, Any] = json.loads(self.body)["data"]
        return message


@dataclass(frozen=True)
class Say:
    """An answer of the receiver."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Receiver:
    url: str
    got: list[Got] = field(default_factory=list)
    says: list[Say] = field(default_factory=list)
    """Its next answers; 200 when there are no more."""
    silent: bool = False
    """Whether it takes what comes and says nothing, until the test has ended."""
    dripping: bool = False
    """Whether its answers never come to an end."""
    over: Event = field(default_factory=Event)


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, receiver))
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield receiver
    receiver.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def messenger(
    *receivers: Receiver, clock: Clock | None = None, timeout_s: float = 10.0
) -> Messenger:
    """One that may send to these receivers."""
    allowed = hosts.parse(",".join(urlsplit(receiver.url).netloc for receiver in receivers))
    return Messenger(allowed, httpx.create_ssl_context(), clock or utc_now, timeout_s)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, receiver: Receiver, *connection: Any) -> None:
        self.receiver = receiver
        super().__init__(*connection)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.receiver.got.append(Got(self.path, headers, body))
        if self.receiver.silent:
            self.receiver.over.wait()
            return
        says = self.receiver.says.pop(0) if self.receiver.says else Say()
        self.send_response(says.status)
        for name, value in says.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(says.body)
        while self.receiver.dripping and not self.receiver.over.wait(0.01):
            try:
                self.wfile.write(b".")
            except OSError:  # nobody listens any more
                return

    def do_GET(self) -> None:
        """As whoever follows a redirect would ask."""
        self.receiver.got.append(Got(self.path, {}, b""))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Says nothing."""
