"""The service as the command line's client sees it, through REST alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from service.cli.failure import CommandFailed
from service.local.instance import Places, holder
from service.settings import Settings
from trainer.contract.attempts import MetricPoint

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_S = 30.0
SILENCE_S = 60.0
"""A stream sends a sign of life every 15 seconds."""

Body = dict[str, Any]

Url = Annotated[
    str | None,
    typer.Option(
        envvar="RESIDUAL_URL",
        help="The service. Default: the one that runs in the data directory.",
        show_default=False,
    ),
]

JobId = Annotated[str, typer.Argument(help="Id of the job.", metavar="JOB")]


@dataclass(frozen=True)
class Client:
    """Every failure is a CommandFailed whose message the service, or this class, worded for people."""

    http: httpx.Client

    def get(self, path: str, **query: str | int) -> Body:
        return self._json(self.send("GET", path, params=query))

    def post(self, path: str, body: Body | None = None) -> Body:
        return self._json(self.send("POST", path, json=body))

    def put(self, path: str, body: Body) -> Body:
        return self._json(self.send("PUT", path, json=body))

    def patch(self, path: str, body: Body) -> Body:
        return self._json(self.send("PATCH", path, json=body))

    def delete(self, path: str) -> None:
        self.send("DELETE", path)

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self.http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        return _checked(answer)

    def points(self, job: str, *, after: str | None = None) -> Iterator[tuple[str, MetricPoint]]:
        """Each event's id and its measurement, as the job runs, until it has ended. Raises
        httpx.TransportError when the stream breaks: go on `after` the last id."""
        headers = {"Last-Event-ID": after} if after else {}
        timeout = httpx.Timeout(TIMEOUT_S, read=SILENCE_S)
        path = f"/jobs/{job}/metrics/stream"
        with self.http.stream("GET", path, headers=headers, timeout=timeout) as answer:
            if answer.is_error:
                answer.read()
            _checked(answer)
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                name, _, value = line.partition(":")
                if line:
                    event[name] = value.removeprefix(" ")
                elif event.get("event") == "end":
                    return
                else:
                    if "data" in event:
                        yield event.get("id", ""), MetricPoint.model_validate_json(event["data"])
                    event = {}
        raise httpx.RemoteProtocolError("the stream ended before the job")

    def pieces(self, path: str) -> Iterator[bytes]:
        """A file, as it comes."""
        try:
            with self.http.stream("GET", path) as answer:
                if answer.is_error:
                    answer.read()
                yield from _checked(answer).iter_bytes()
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def lines(self, path: str, **query: str | int | bool) -> Iterator[str]:
        """A text, line by line, as it is written."""
        timeout = httpx.Timeout(TIMEOUT_S, read=None)
        try:
            with self.http.stream("GET", path, params=query, timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                yield from _checked(answer).iter_lines()
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def _json(self, answer: httpx.Response) -> Body:
        body: Body = answer.json() if answer.content else {}
        return body

    def _silent(self, error: httpx.HTTPError) -> CommandFailed:
        return CommandFailed(
            f"{self.http.base_url} does not answer ({error}); "
            "start the service with `residual up`, or name another with --url or RESIDUAL_URL"
        )


@contextmanager
def connect(url: str | None = None, key: str | None = None) -> Iterator[Client]:
    """The service at `url`, or the one that runs in this user's data directory."""
    places = Places(Settings().data_dir.expanduser())
    if url is None:
        running = holder(places)
        url = running.url if running else DEFAULT_URL
    headers = {"Authorization": f"Bearer {key or known_key(places.data_dir)}"}
    with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S) as http:
        yield Client(http)


def known_key(data_dir: Path) -> str:
    """The key as set, or the one that the service keeps in its data directory."""
    given = Settings().api_key
    try:
        return given.get_secret_value() if given else (data_dir / "api-key").read_text().strip()
    except OSError as error:
        raise CommandFailed(
            f"there is no key in {data_dir}; start the service there with `residual up`, "
            "or set RESIDUAL_API_KEY or RESIDUAL_DATA_DIR"
        ) from error


def _checked(answer: httpx.Response) -> httpx.Response:
    if not answer.is_error:
        return answer
    try:
        problem = answer.json()
        message = str(problem["detail"])
        several = problem.get("errors", [])
        if len(several) > 1:
            said = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in several]
            message = "\n  ".join([message, *said])
    except (json.JSONDecodeError, LookupError, TypeError, AttributeError):
        message = f"the service answered {answer.status_code}: {answer.text[:300]}"
    raise CommandFailed(message)
