"""What a storage URL says of a bucket reaches the store; what it cannot mean is refused at once."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from tests.contract.seaweed import BUCKET, environment
from trainer.contract.objects.open import Presigning, open_store
from trainer.contract.objects.s3 import PART, S3Store
from trainer.contract.objects.store import StoreUnavailable

LASTING = timedelta(minutes=1)


def opened(endpoint: str, query: str, **env: str) -> tuple[S3Store, list[dict[str, str]]]:
    """A store, and the headers of each request that it sends."""
    with patch.dict(os.environ, environment(endpoint) | env):
        store = open_store(f"s3://{BUCKET}/options{query}", Presigning())
    assert isinstance(store, S3Store)
    sent: list[dict[str, str]] = []

    def note(request: Any, **_: Any) -> None:
        said = {name.lower(): str(value) for name, value in request.headers.items()}
        sent.append(said | {"url": request.url})

    store.client.meta.events.register("before-send.s3", note)
    return store, sent


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?adressing=virtual", "'adressing'.*it takes addressing, checksums, sse, kms_key_id"),
        ("?addressing=host", "'path', 'virtual' or 'auto'"),
        ("?sse=aes", "'AES256' or 'aws:kms'"),
        ("?kms_key_id=k", "kms_key_id goes with sse=aws:kms"),
        ("?sse=AES256&sse=aws:kms", "gives an option twice"),
        ("?addressing", "bad query field"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(query: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        open_store(f"s3://bucket/prefix{query}")


@pytest.mark.parametrize("where", ["key:secret@bucket", "127.0.0.1:9000"])
def test_a_url_with_keys_is_refused_without_repeating_them(where: str) -> None:
    with pytest.raises(ValueError, match="belong in AWS_ACCESS_KEY_ID") as refused:
        open_store(f"s3://{where}/prefix")
    assert where not in str(refused.value)


def test_objects_are_encrypted_as_the_url_says(
    seaweed_endpoint: str, key: str, tmp_path: Path
) -> None:
    store, _ = opened(seaweed_endpoint, "?sse=AES256")
    (tmp_path / "large").write_bytes(bytes(PART + 1))
    store.put(f"{key}/put", b"1")
    store.create(f"{key}/created", b"1")
    store.upload(f"{key}/parts", tmp_path / "large")
    for found in store.list(f"{key}/"):
        head = store.client.head_object(Bucket=BUCKET, Key=f"options/{found.key}")
        assert head["ServerSideEncryption"] == "AES256"
    assert len(store.get(f"{key}/parts")) == PART + 1


def test_a_key_of_a_key_service_is_named_in_each_write(seaweed_endpoint: str, key: str) -> None:
    store, sent = opened(seaweed_endpoint, "?sse=aws:kms&kms_key_id=of-this-test")
    with pytest.raises(StoreUnavailable):  # SeaweedFS has no such service here
        store.put(key, b"1")
    assert "aws:kms" in sent[0]["x-amz-server-side-encryption"]
    assert "of-this-test" in sent[0]["x-amz-server-side-encryption-aws-kms-key-id"]


@pytest.mark.parametrize(
    ("query", "env", "has_checksum"),
    [
        ("", {}, False),
        ("?checksums=when_supported", {}, True),
        ("", {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported"}, True),
        (
            "?checksums=when_required",
            {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported"},
            False,
        ),
    ],
)
def test_checksums_go_along_when_they_are_wanted(
    seaweed_endpoint: str, key: str, query: str, env: dict[str, str], *, has_checksum: bool
) -> None:
    store, sent = opened(seaweed_endpoint, query, **env)
    store.put(key, b"0123456789")
    assert any("x-amz-checksum" in name for name in sent[0]) is has_checksum
    assert store.get(key, start=3) == b"3456789"
    assert httpx.get(str(store.presigned(key, LASTING))).content == b"0123456789"


def test_the_bucket_is_where_the_url_says() -> None:
    for query, start in (
        ("", "https://s3.example.com/residual/"),
        ("?addressing=virtual", "https://residual.s3.example.com/"),
    ):
        store, _ = opened("https://s3.example.com", query)
        assert str(store.presigned("key", LASTING)).startswith(f"{start}options/key?")
