"""An S3-compatible bucket as an object store.

Credentials, region, endpoint and CA come from the environment as boto3 reads them
(`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE`, …).
"""

import io
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from trainer.contract.objects.options import Options
from trainer.contract.objects.s3_errors import (
    IN_CONFLICT,
    NOT_ANSWERED,
    PAST_THE_END,
    TAKEN,
    as_store_error,
    code_of,
    explained,
)
from trainer.contract.objects.store import AlreadyExists, Piece, StoredObject, check_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

PIECE = 1 << 20
PART = 16 << 20
"""Bytes of a part of a large file; a smaller one goes in one request. S3 has 10,000 parts: 156 GiB."""
PARTS_AT_ONCE = 4
CONNECTIONS = 64
"""Kept open to the store: requests of the service's threads, and parts."""
BODY_ATTEMPTS = 5
"""How often the rest of an object is asked for when its body breaks off; boto3 repeats what was not
answered, but not what broke off in the middle of the answer."""
CREATE_ATTEMPTS = 5
WRITER = "writer"
"""Name of the metadata by which a writer knows its own object again."""


@dataclass(frozen=True)
class S3Store:
    """Objects below `prefix` in `bucket`; the store must honour `If-None-Match: *`."""

    client: "S3Client"
    bucket: str
    prefix: str
    """Empty, or ends with '/'."""
    options: Options
    signer: "S3Client | None" = None
    """Makes URLs for clients; None: there are none."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Ray Tune pickles whatever it is given, and a connection cannot be: it is made anew, without URLs
        for clients. Keys are in no pickle."""
        return connect, (self.bucket, self.prefix, self.options)

    def put(self, key: str, data: bytes) -> None:
        where = self._where(key)
        with explained(key):
            self.client.put_object(**where, Body=data, **self._each_write())

    def create(self, key: str, data: bytes) -> None:
        where, mark = self._where(key), secrets.token_hex(16)
        for left in reversed(range(CREATE_ATTEMPTS)):
            try:
                self.client.put_object(
                    **where,
                    Body=data,
                    IfNoneMatch="*",
                    Metadata={WRITER: mark},
                    **self._each_write(),
                )
                return
            except ClientError as error:
                if code_of(error) in TAKEN:
                    if _was_repeated(error) and self._wrote(key, mark):
                        return
                    raise AlreadyExists(key) from error
                if not left or code_of(error) not in IN_CONFLICT:
                    raise as_store_error(error, key) from error
            except NOT_ANSWERED as error:
                raise as_store_error(error, key) from error

    def upload(self, key: str, path: Path) -> None:
        where = self._where(key)
        with explained(key):
            self.client.upload_file(
                str(path),
                where["Bucket"],
                where["Key"],
                ExtraArgs=self._each_write(),
                Config=_transfer(),
            )

    def write(self, key: str, pieces: Iterable[Piece]) -> None:
        where = self._where(key)
        with explained(key), io.BufferedReader(_Joined(iter(pieces)), PIECE) as joined:
            self.client.upload_fileobj(
                joined,
                where["Bucket"],
                where["Key"],
                ExtraArgs=self._each_write(),
                Config=_transfer(),
            )

    def get(self, key: str, start: int = 0) -> bytes:
        return b"".join(self.stream(key, start))

    def download(self, key: str, path: Path) -> None:
        where = self._where(key)
        with explained(key):
            self.client.download_file(where["Bucket"], where["Key"], str(path), Config=_transfer())

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        opened = self._open(key, start, stop)
        return iter(()) if opened is None else self._pieces(key, opened, start, stop)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        pages = self.client.get_paginator("list_objects_v2")
        with explained(prefix or self.bucket):
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                for entry in page.get("Contents", []):
                    yield StoredObject(entry["Key"].removeprefix(self.prefix), entry["Size"])

    def delete(self, key: str) -> None:
        where = self._where(key)
        with explained(key):
            self.client.delete_object(**where)

    def presigned(self, key: str, lasting: timedelta) -> str | None:
        if self.signer is None:
            return None
        with explained(key):
            return self.signer.generate_presigned_url(
                "get_object", Params=self._where(key), ExpiresIn=int(lasting.total_seconds())
            )

    def sweep(self, older_than: timedelta) -> int:
        began_before = datetime.now(UTC) - older_than
        pages = self.client.get_paginator("list_multipart_uploads")
        with explained("unfinished uploads"):
            return sum(
                self._give_up(upload["Key"], upload["UploadId"])
                for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix)
                for upload in page.get("Uploads", [])
                if upload["Initiated"] < began_before
            )

    def presigning(self, endpoint: str | None) -> "S3Store":
        """The same store, with URLs that lead to `endpoint`; None: to where this process reaches it.
        Raises ValueError for what is no endpoint."""
        if endpoint is None:
            return replace(self, signer=self.client)
        if urlsplit(endpoint).scheme not in {"http", "https"} or not urlsplit(endpoint).netloc:
            raise ValueError(f"'{endpoint}' is no endpoint of a store; use https://host")
        return replace(self, signer=_client(self.options, endpoint))

    def _where(self, key: str) -> Any:
        check_key(key)
        return {"Bucket": self.bucket, "Key": self.prefix + key}

    def _each_write(self) -> Any:
        return self.options.of_each_write()

    def _give_up(self, full_key: str, upload_id: str) -> bool:
        """Whether it was still unfinished."""
        try:
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=full_key, UploadId=upload_id)
        except self.client.exceptions.NoSuchUpload:
            return False
        return True

    def _wrote(self, key: str, mark: str) -> bool:
        """Whether an answer was lost, and the object that is there is our own."""
        with explained(key):
            return self.client.head_object(**self._where(key))["Metadata"].get(WRITER) == mark

    def _open(
        self, key: str, start: int, stop: int | None, etag: str | None = None
    ) -> "GetObjectOutputTypeDef | None":
        """None: there is nothing from `start` on. With `etag` only if it is still the same object."""
        said: dict[str, Any] = self._where(key)
        if start or stop is not None:
            said["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        if etag is not None:
            said["IfMatch"] = etag
        with explained(key):
            try:
                return self.client.get_object(**said)
            except ClientError as error:
                if code_of(error) in PAST_THE_END:
                    return None
                raise

    def _pieces(
        self, key: str, opened: "GetObjectOutputTypeDef", start: int, stop: int | None
    ) -> Iterator[bytes]:
        at, etag = start, opened.get("ETag")
        answer: GetObjectOutputTypeDef | None = opened
        for left in reversed(range(BODY_ATTEMPTS)):
            if answer is None or at == stop:
                return
            try:
                with closing(answer["Body"]) as body:
                    for piece in body.iter_chunks(PIECE):
                        yield piece
                        at += len(piece)
                return
            except NOT_ANSWERED as error:
                if not left:
                    raise as_store_error(error, key) from error
            answer = self._open(key, at, stop, etag)


class _Joined(io.RawIOBase):
    """Pieces as a file that is read once from its beginning to its end."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        while not self._rest:
            try:
                self._rest = memoryview(next(self._pieces))
            except StopIteration:
                return 0
        part = self._rest[: len(room)]
        room[: len(part)] = part
        self._rest = self._rest[len(part) :]
        return len(part)


def connect(bucket: str, prefix: str, options: Options) -> S3Store:
    """A store on `bucket`; nothing is asked of it yet. Raises ValueError when the environment's
    configuration of AWS is not right."""
    below = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    return S3Store(_client(options), bucket, below, options)


def _client(options: Options, endpoint: str | None = None) -> "S3Client":
    checksums = options.checksums or os.environ.get(
        "AWS_REQUEST_CHECKSUM_CALCULATION", "when_required"
    )
    config = Config(
        connect_timeout=5,  # seconds
        read_timeout=30,  # seconds
        tcp_keepalive=True,
        max_pool_connections=CONNECTIONS,
        # Up to five attempts, after a random part of 0.05, 0.1, 0.2, 0.4 s; of 1, 2, 4, 8 s when the
        # store says that it has too much to do.
        retries={"mode": "standard", "total_max_attempts": 5},
        signature_version="s3v4",  # or URLs would be signed with SHA-1
        request_checksum_calculation=checksums,  # type: ignore[arg-type]  # boto3 checks what is said
        response_checksum_validation=checksums,  # type: ignore[arg-type]
        s3={"addressing_style": options.addressing},
    )
    try:
        # A session of its own: boto3's default one remembers the keys that it found first.
        return boto3.session.Session().client("s3", endpoint_url=endpoint, config=config)
    except (BotoCoreError, ValueError) as error:
        raise ValueError(f"the settings of the object store are not right: {error}") from error


def _transfer() -> TransferConfig:
    found = TransferConfig(
        multipart_threshold=PART,
        multipart_chunksize=PART,
        max_concurrency=PARTS_AT_ONCE,
        num_download_attempts=BODY_ATTEMPTS,
        preferred_transfer_client="classic",  # another may be installed, with failures of its own
    )
    found.max_in_memory_upload_chunks = PARTS_AT_ONCE  # of s3transfer's
    return found


def _was_repeated(error: ClientError) -> bool:
    """Whether boto3 asked more than once: the first may have been heard without an answer."""
    return error.response["ResponseMetadata"]["RetryAttempts"] > 0
