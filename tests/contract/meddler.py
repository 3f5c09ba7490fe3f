"""Something between a program and its store that is up to no good: it forgets a header, loses an answer, or
breaks off in the middle of one. What it does not meddle with reaches a real SeaweedFS."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.contract.seaweed import CREDENTIALS

FORGOTTEN = "If-None-Match"


@dataclass
class Meddler:
    """What it does from now on; counts go down as it is done."""

    behind: str
    """Endpoint of the store."""
    endpoint: str = ""
    away: bool = False
    """Hangs up on everybody."""
    forgets: bool = False
    """Leaves out `If-None-Match`, as a store that does not know it."""
    loses_answers: int = 0
    """To so many PUTs, which the store did carry out."""
    breaks_off: int = 0
    """In the middle of the body of so many GETs."""


@contextmanager
def meddling(behind: str) -> Iterator[Meddler]:
    """A meddler on loopback, harmless until told otherwise."""
    meddler = Meddler(behind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self._meddle()

        def _meddle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if meddler.away:
                self.close_connection = True
                return
            headers = dict(self.headers.items())
            if meddler.forgets and FORGOTTEN in headers:
                headers = self._signed_anew(headers, body)
            there = HTTPConnection(urlsplit(behind).netloc, timeout=60)
            there.request(self.command, self.path, body, headers)
            answer = there.getresponse()
            content = answer.read()
            there.close()
            if self.command == "PUT" and meddler.loses_answers > 0:
                meddler.loses_answers -= 1
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(content)))
            else:
                self.send_header("Content-Length", answer.getheader("Content-Length", "0"))
            self.end_headers()
            if self.command == "GET" and answer.status < 300 and meddler.breaks_off > 0:
                meddler.breaks_off -= 1
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
                return
            self.wfile.write(content)

        def _signed_anew(self, headers: dict[str, str], body: bytes) -> dict[str, str]:
            """The signature is over the header that is to be forgotten."""
            kept = {"Host", "Content-Length", "Content-MD5"}
            said = {name: value for name, value in headers.items() if name in kept}
            said |= {n: v for n, v in headers.items() if n.lower().startswith("x-amz-meta-")}
            request = AWSRequest("PUT", f"http://{headers['Host']}{self.path}", said, body)
            keys = Credentials(
                CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
            )
            S3SigV4Auth(keys, "s3", "us-east-1").add_auth(request)
            return dict(request.headers.items())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    meddler.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield meddler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
