"""A checkpoint's files over HTTP: from the service, with ranges, or from SeaweedFS by a URL of its own."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from service.errors import OutOfRange
from service.http.ranges import Asked, part_of
from tests.api import attempt
from tests.api.conftest import Service, serving
from tests.contract.seaweed import BUCKET, environment, seaweed


def checkpointed(service: Service, folder: Path) -> list[dict[str, Any]]:
    """The files of a job's one checkpoint, as the API lists them."""
    job = service.started()
    attempt.begin(service.objects, job, 1)
    attempt.checkpoint(service.objects, job, 1, 11, folder)
    answer = service.client.get(f"/jobs/{job.id}/checkpoints")
    assert answer.headers["Cache-Control"] == "no-store"
    files: list[dict[str, Any]] = answer.json()["items"][0]["files"]
    return files


@pytest.fixture(scope="module")
def file(shared: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return checkpointed(shared, tmp_path_factory.mktemp("checkpoint"))[0]


def body(service: Service, file: dict[str, Any], **headers: str) -> httpx.Response:
    answer: httpx.Response = service.client.get(file["url"], headers=headers)
    return answer


@pytest.mark.parametrize(
    ("said", "start", "stop"),
    [("bytes=0-4", 0, 5), ("bytes=5-", 5, None), ("bytes=-3", -3, None), ("bytes=2-999", 2, None)],
)
def test_a_part_is_told_apart_from_the_whole(
    shared: Service, file: dict[str, Any], said: str, start: int, stop: int | None
) -> None:
    whole = body(shared, file).content
    answer = body(shared, file, Range=said)
    assert (answer.status_code, answer.content) == (206, whole[start:stop])
    assert answer.headers["Content-Length"] == str(len(answer.content))
    first = start % len(whole)
    last = first + len(answer.content) - 1
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"


def test_bytes_that_are_not_there_are_refused_with_the_size(
    shared: Service, file: dict[str, Any]
) -> None:
    answer = body(shared, file, Range=f"bytes={file['size']}-")
    assert (answer.status_code, answer.json()["code"]) == (416, "out_of_range")
    assert answer.headers["Content-Range"] == f"bytes */{file['size']}"


@pytest.mark.parametrize("said", ["bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "x"])
def test_what_is_no_range_gives_the_whole(shared: Service, file: dict[str, Any], said: str) -> None:
    answer = body(shared, file, Range=said)
    assert (answer.status_code, len(answer.content)) == (200, file["size"])
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_a_range_of_another_version_gives_the_whole(shared: Service, file: dict[str, Any]) -> None:
    part = {"Range": "bytes=0-4"}
    same = body(shared, file, **part, **{"If-Range": f'"{file["sha256"]}"'})
    other = body(shared, file, **part, **{"If-Range": '"another"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_who_has_the_file_is_not_sent_it_again(shared: Service, file: dict[str, Any]) -> None:
    known = f'"{file["sha256"]}"'
    answer = body(shared, file, **{"If-None-Match": f'"another", {known}'})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", known)
    assert body(shared, file, **{"If-None-Match": '"another"'}).status_code == 200


def test_a_look_is_a_download_without_its_bytes(shared: Service, file: dict[str, Any]) -> None:
    there = body(shared, file).headers
    answer = shared.client.head(file["url"])
    assert (answer.status_code, answer.content) == (200, b"")
    for name in ("Content-Length", "ETag", "Accept-Ranges", "Content-Type"):
        assert answer.headers[name] == there[name]
    assert shared.client.head(file["url"] + "x").status_code == 404


@given(said=st.from_regex(r"bytes=\d{0,3}-\d{0,3}", fullmatch=True), size=st.integers(1, 200))
def test_any_range_lies_within_the_file(said: str, size: int) -> None:
    try:
        part = part_of(Asked(range=said), size, '"etag"')
    except OutOfRange:
        return
    assert part is None or 0 <= part.start < part.stop <= size


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as found:
        yield found


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return getattr(request, "param", {})


@pytest.fixture
def on_s3(endpoint: str, tmp_path: Path, settings: dict[str, Any]) -> Iterator[Service]:
    """A service whose objects are in SeaweedFS."""
    storage = {"storage_url": f"s3://{BUCKET}/{tmp_path.name}"}
    with (
        patch.dict(os.environ, environment(endpoint)),
        serving(tmp_path / "data", **storage, **settings) as found,
    ):
        yield found


def test_a_url_of_the_store_needs_no_key(on_s3: Service, tmp_path: Path, endpoint: str) -> None:
    for file in checkpointed(on_s3, tmp_path):
        assert file["url"].startswith(endpoint)
        answer = httpx.get(file["url"])
        assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
        part = httpx.get(file["url"], headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, answer.content[2:5])


def test_a_url_of_the_store_lasts_a_quarter_of_an_hour_and_opens_one_file(
    on_s3: Service, tmp_path: Path
) -> None:
    first, second, *_ = checkpointed(on_s3, tmp_path)
    url = httpx.URL(first["url"])
    assert int(url.params["X-Amz-Expires"]) <= 15 * 60
    other = url.copy_with(path=httpx.URL(second["url"]).path)
    later = url.copy_set_param("X-Amz-Expires", "90000")
    manifest = url.copy_with(path=url.path.rpartition("/")[0] + "/manifest.json")
    assert [httpx.get(tried).status_code for tried in (other, later, manifest)] == [403] * 3


def test_no_line_of_the_log_has_the_signature(on_s3: Service, tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        files = checkpointed(on_s3, tmp_path)
    text = json.dumps(lines, default=str)
    assert '"status": 200' in text
    assert "X-Amz" not in text
    assert all(httpx.URL(file["url"]).params["X-Amz-Signature"] not in text for file in files)


@pytest.mark.parametrize("settings", [{"storage_presign": False}], indirect=True)
def test_the_service_passes_the_bytes_on_where_urls_are_not_wanted(
    on_s3: Service, tmp_path: Path
) -> None:
    file = checkpointed(on_s3, tmp_path)[0]
    assert file["url"].startswith("/jobs/")
    whole = body(on_s3, file)
    assert hashlib.sha256(whole.content).hexdigest() == file["sha256"]
    part = body(on_s3, file, Range="bytes=2-4")
    assert (part.status_code, part.content) == (206, whole.content[2:5])


@pytest.mark.parametrize(
    "settings", [{"storage_public_endpoint": "https://objects.example.com"}], indirect=True
)
def test_a_url_leads_to_where_clients_reach_the_store(on_s3: Service, tmp_path: Path) -> None:
    file = checkpointed(on_s3, tmp_path)[0]
    assert file["url"].startswith(f"https://objects.example.com/{BUCKET}/")
