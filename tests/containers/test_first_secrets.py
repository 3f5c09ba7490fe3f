"""Promises of the first set-up's secrets: random, whole, and made once."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError

import pytest
from sqlalchemy import make_url

from deploy.first_secrets import THINGS, into_cluster, into_folders


def counted() -> Any:
    """Tokens that are all different."""
    numbers = count()
    return lambda: f"{next(numbers):064d}"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for thing in THINGS:
        (tmp_path / thing).mkdir()
    return tmp_path


def content(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()}


def test_a_second_run_changes_nothing(folders: Path) -> None:
    assert into_folders(folders, counted()) == list(THINGS)
    before = content(folders)
    assert into_folders(folders, lambda: "x" * 64) == []
    assert content(folders) == before


def test_a_thing_that_was_half_made_is_made_anew(folders: Path) -> None:
    into_folders(folders, counted())
    (folders / "database" / "url").unlink()
    assert into_folders(folders, lambda: "y" * 64) == ["database"]
    assert (folders / "database" / "password").read_text() == "y" * 64


def test_what_has_no_folder_is_not_made(tmp_path: Path) -> None:
    assert into_folders(tmp_path, counted()) == []


def test_both_sides_of_a_secret_agree(folders: Path) -> None:
    into_folders(folders, counted())
    url = make_url((folders / "database" / "url").read_text())
    assert url.password == (folders / "database" / "password").read_text()
    pair = json.loads((folders / "storage" / "s3.json").read_text())["identities"][0]["credentials"]
    credentials = (folders / "storage" / "credentials").read_text()
    assert pair[0]["accessKey"] in credentials
    assert pair[0]["secretKey"] in credentials


class Kubernetes(ThreadingHTTPServer):
    """As much of its API as creating Secrets takes."""

    def __init__(self, there: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.there = there


class Answer(BaseHTTPRequestHandler):
    server: Kubernetes

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["metadata"]["name"]
        if self.headers["Authorization"] != "Bearer account":
            status = 401
        elif self.path != "/api/v1/namespaces/residual/secrets":
            status = 404
        elif name in self.server.there:
            status = 409
        else:
            status = 201
            self.server.there[name] = body
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def kubernetes(there: dict[str, Any]) -> Iterator[str]:
    server = Kubernetes(there)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_in_a_cluster_a_secret_that_is_there_stays() -> None:
    mine = {"metadata": {"name": "residual-storage"}}
    there: dict[str, Any] = {"residual-storage": mine}
    with kubernetes(there) as url:
        assert into_cluster(url, "residual", "account", None, counted()) == [
            "api",
            "metrics",
            "ray",
            "database",
        ]
        assert into_cluster(url, "residual", "account", None, counted()) == []
    assert there["residual-storage"] is mine
    data = there["residual-ray"]["data"]
    assert len(base64.b64decode(data["token"])) == 64
    assert there["residual-database"]["data"].keys() == {"password", "url"}


def test_a_cluster_that_refuses_is_told_of() -> None:
    with kubernetes({}) as url, pytest.raises(HTTPError):
        into_cluster(url, "residual", "nobody", None, counted())
