"""What only S3 promises: failures with a remedy, answers that are lost or break off, and URLs."""

import os
import pickle
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from tests.contract.meddler import Meddler, meddling
from tests.contract.seaweed import BUCKET, environment
from tests.waiting import until
from trainer.contract.objects.open import Presigning, open_store
from trainer.contract.objects.s3 import S3Store
from trainer.contract.objects.s3_errors import as_store_error
from trainer.contract.objects.store import (
    AlreadyExists,
    NoSuchObject,
    Overwrites,
    StoreUnavailable,
)
from trainer.contract.objects.trust import Trusted, check_create

NOBODY = "http://127.0.0.1:9"
"""Discard: nobody listens there."""


def at(endpoint: str, url: str = f"s3://{BUCKET}/some/prefix", **env: str) -> S3Store:
    with patch.dict(os.environ, environment(endpoint) | env):
        store = open_store(url, Presigning())
    assert isinstance(store, S3Store)
    return store


def test_it_can_be_pickled_without_its_keys_and_is_the_same_store_where_it_is_read(
    seaweed_endpoint: str,
) -> None:
    """Ray Tune pickles all that a sweep's search is given."""
    store = at(seaweed_endpoint, f"s3://{BUCKET}/some/pickled?addressing=auto")
    store.put("key", b"value")
    pickled = pickle.dumps(store)
    keys = environment(seaweed_endpoint)
    assert keys["AWS_SECRET_ACCESS_KEY"].encode() not in pickled
    with patch.dict(os.environ, keys):
        again = pickle.loads(pickled)
    assert again.get("key") == b"value"
    assert (again.bucket, again.prefix) == (store.bucket, store.prefix)
    assert (again.options, again.signer) == (store.options, None)


@pytest.fixture
def meddler(seaweed_endpoint: str) -> Iterator[Meddler]:
    with meddling(seaweed_endpoint) as found:
        yield found


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"AWS_ENDPOINT_URL": NOBODY}, "cannot be reached: check AWS_ENDPOINT_URL"),
        ({"AWS_ACCESS_KEY_ID": "wrong"}, "does not know the key: check AWS_ACCESS_KEY_ID"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "secret key is not right"),
    ],
)
def test_a_store_that_does_not_answer_says_how_to_mend_it(
    seaweed_endpoint: str, env: dict[str, str], said: str
) -> None:
    store = at(seaweed_endpoint, **env)
    with pytest.raises(StoreUnavailable, match=said):
        store.get("key")
    with pytest.raises(StoreUnavailable, match=said):
        store.put("key", b"")
    with pytest.raises(StoreUnavailable, match=said):
        list(store.list(""))


def test_a_bucket_that_is_not_there_is_not_an_empty_one(seaweed_endpoint: str) -> None:
    store = at(seaweed_endpoint, "s3://there-is-none/x")
    with pytest.raises(StoreUnavailable, match="no such bucket: make it, or name another"):
        store.get("key")
    with pytest.raises(StoreUnavailable, match="no such bucket"):
        list(store.list(""))


def test_whole_files_fail_in_the_same_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    store = at(NOBODY)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.upload("key", tmp_path / "file")
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.download("key", tmp_path / "other")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("EntityTooLarge", "no object that is so large"),
        ("AccessDenied", "the keys are not enough"),
        ("KMS.DisabledException", "check kms_key_id"),
        ("AuthorizationHeaderMalformed", "set AWS_DEFAULT_REGION"),
        ("SomethingNew", "answered SomethingNew for key"),
    ],
)
def test_an_answer_is_explained_also_around_a_whole_file(code: str, said: str) -> None:
    answer = ClientError({"Error": {"Code": code}}, "PutObject")
    around = S3UploadFailedError("failed to upload")
    around.__context__ = answer
    for error in (answer, around):
        assert said in str(as_store_error(error, "key"))


def test_no_keys_at_all_are_asked_for(tmp_path: Path) -> None:
    nothing = {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_EC2_METADATA_DISABLED": "true"}
    nothing |= {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    with patch.dict(os.environ, {"AWS_ENDPOINT_URL": NOBODY} | nothing):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            os.environ.pop(name, None)
        store = open_store("s3://bucket")
        with pytest.raises(StoreUnavailable, match="set AWS_ACCESS_KEY_ID"):
            store.get("key")


def test_reading_on_fetches_only_what_is_new(seaweed_endpoint: str, key: str) -> None:
    store, lengths = at(seaweed_endpoint), list[str]()
    store.put(key, bytes(100_000))

    def note(response_dict: dict[str, Any], **_: Any) -> None:
        lengths.append(response_dict["headers"]["Content-Length"])

    store.client.meta.events.register("before-parse.s3.GetObject", note)
    assert store.get(key, start=99_990) == bytes(10)
    assert lengths == ["10"]


def test_a_body_that_breaks_off_is_read_on_from_there(meddler: Meddler, key: str) -> None:
    store, body = at(meddler.endpoint), bytes(range(256)) * 20_000  # 5 MB
    store.put(key, body)
    meddler.breaks_off = 3
    assert store.get(key) == body
    meddler.breaks_off = 2
    assert b"".join(store.stream(key, 1_000, 4_000_000)) == body[1_000:4_000_000]


def test_a_body_that_always_breaks_off_is_a_store_that_is_away(
    meddler: Meddler, key: str, tmp_path: Path
) -> None:
    store = at(meddler.endpoint)
    store.put(key, bytes(1_000_000))
    meddler.breaks_off = 1_000
    with pytest.raises(StoreUnavailable, match="broke off"):
        store.get(key)
    with pytest.raises(StoreUnavailable):
        store.download(key, tmp_path / "file")


def test_an_object_is_not_put_together_of_two_versions(meddler: Meddler, key: str) -> None:
    store = at(meddler.endpoint)
    store.put(key, b"old" * 1_000_000)
    meddler.breaks_off = 1
    pieces = store.stream(key)
    next(pieces)
    store.put(key, b"new" * 1_000_000)
    with pytest.raises(StoreUnavailable, match="replaced while it was read"):
        list(pieces)


def test_a_creation_whose_answer_is_lost_is_known_again(meddler: Meddler, key: str) -> None:
    store = at(meddler.endpoint)
    meddler.loses_answers = 1
    store.create(key, b"mine")  # boto3 asks again, and is told that the key is taken
    assert store.get(key) == b"mine"
    with pytest.raises(AlreadyExists):
        store.create(key, b"mine")


def test_a_lost_answer_does_not_make_another_s_object_one_s_own(meddler: Meddler, key: str) -> None:
    store = at(meddler.endpoint)
    store.create(key, b"")
    meddler.loses_answers = 1
    with pytest.raises(AlreadyExists):
        store.create(key, b"")


def test_a_store_that_overwrites_what_was_created_is_found_out(meddler: Meddler) -> None:
    store = at(meddler.endpoint)
    meddler.forgets = True
    with pytest.raises(Overwrites, match="honours 'If-None-Match"):
        check_create(store)
    assert list(store.list("probes/")) == []


def test_nothing_is_written_to_a_store_that_is_not_trusted(meddler: Meddler, key: str) -> None:
    store = Trusted(at(meddler.endpoint))
    meddler.forgets = True
    for write in (store.put, store.create):
        with pytest.raises(Overwrites):
            write(key, b"order")
    with pytest.raises(NoSuchObject):
        store.get(key)
    meddler.forgets = False
    store.put(key, b"order")
    meddler.forgets = True  # it was asked once, and is not again
    store.put(key, b"another")
    assert store.get(key) == b"another"


def test_a_sweep_aborts_what_a_killed_upload_left(seaweed_store: S3Store, key: str) -> None:
    client, own, foreign = seaweed_store.client, f"some/prefix/{key}", f"other/{key}"
    begun = client.create_multipart_upload(Bucket=BUCKET, Key=own)["UploadId"]
    client.upload_part(Bucket=BUCKET, Key=own, UploadId=begun, PartNumber=1, Body=b"half")
    client.create_multipart_upload(Bucket=BUCKET, Key=foreign)
    assert seaweed_store.sweep(timedelta(hours=1)) == 0
    assert seaweed_store.sweep(timedelta(seconds=-60)) == 1
    left = client.list_multipart_uploads(Bucket=BUCKET, Prefix="other/")["Uploads"]
    assert [upload["Key"] for upload in left] == [foreign]
    assert list(seaweed_store.list(key)) == []


def test_a_url_opens_one_object_for_a_time(seaweed_store: S3Store, key: str) -> None:
    seaweed_store.put(key, b"0123456789")
    seaweed_store.put(f"{key}-secret", b"another")
    url = seaweed_store.presigned(key, timedelta(minutes=15))
    assert url is not None
    assert httpx.get(url).content == b"0123456789"
    part = httpx.get(url, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert httpx.get(url.replace("object?", "object-secret?")).status_code == 403
    assert httpx.put(url, content=b"overwritten").status_code == 403
    short = seaweed_store.presigned(key, timedelta(seconds=1))
    until(lambda: httpx.get(str(short)).status_code == 403, within_s=10)


def test_a_url_can_lead_to_where_clients_reach_the_store(seaweed_endpoint: str) -> None:
    with patch.dict(os.environ, environment(seaweed_endpoint)):
        store = open_store(f"s3://{BUCKET}/below", Presigning("https://objects.example.com"))
        with pytest.raises(ValueError, match="no endpoint"):
            open_store(f"s3://{BUCKET}", Presigning("objects.example.com"))
    url = store.presigned("key", timedelta(minutes=1))
    assert str(url).startswith(f"https://objects.example.com/{BUCKET}/below/key?X-Amz-Algorithm=")
    store.put("key", b"")  # the store itself stays where it is
