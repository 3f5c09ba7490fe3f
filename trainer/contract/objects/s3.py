"""An S3-compatible bucket as an object store.

Credentials, region, endpoint and CA come from the environment as boto3 reads them
(`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE`, …), so they
never travel in a job.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from trainer.contract.objects.store import (
    AlreadyExists,
    NoSuchObject,
    StoredObject,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PIECE = 1 << 20
MISSING = {"NoSuchKey", "404"}
TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@dataclass(frozen=True)
class S3Store:
    """Objects below `prefix` in `bucket`; the store must honour `If-None-Match: *`."""

    client: "S3Client"
    bucket: str
    prefix: str
    """Empty, or ends with '/'."""

    def put(self, key: str, data: bytes) -> None:
        with _answers(key):
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data)

    def create(self, key: str, data: bytes) -> None:
        with _answers(key):
            self.client.put_object(
                Bucket=self.bucket, Key=self.prefix + key, Body=data, IfNoneMatch="*"
            )

    def upload(self, key: str, path: Path) -> None:
        with _answers(key):
            self.client.upload_file(str(path), self.bucket, self.prefix + key)

    def get(self, key: str, start: int = 0) -> bytes:
        with _answers(key):
            whole = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)
            # A range that starts at the end is an error in S3; slicing keeps one promise everywhere.
            return whole["Body"].read()[start:]

    def download(self, key: str, path: Path) -> None:
        with _answers(key):
            self.client.download_file(self.bucket, self.prefix + key, str(path))

    def stream(self, key: str) -> Iterator[bytes]:
        with _answers(key):
            body = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"]
        return body.iter_chunks(PIECE)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        pages = self.client.get_paginator("list_objects_v2")
        with _answers(prefix):
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                for entry in page.get("Contents", []):
                    yield StoredObject(entry["Key"].removeprefix(self.prefix), entry["Size"])

    def delete(self, key: str) -> None:
        with _answers(key):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)


def connect(bucket: str, prefix: str) -> S3Store:
    """A store on `bucket`; nothing is asked of it yet."""
    config = Config(
        connect_timeout=5,  # seconds
        read_timeout=30,  # seconds
        retries={"mode": "standard", "total_max_attempts": 5},
        # Stores other than Amazon's often lack the flexible checksums boto3 sends by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    )
    client = boto3.client("s3", config=config)
    return S3Store(client, bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "")


@contextlib.contextmanager
def _answers(key: str) -> Iterator[None]:
    """boto3's errors in this project's words."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in MISSING:
            raise NoSuchObject(key) from error
        if code in TAKEN:
            raise AlreadyExists(key) from error
        raise StoreUnavailable(f"the store answered {code} for {key}") from error
    except BotoCoreError as error:
        raise StoreUnavailable(f"the store does not answer: {error}") from error
