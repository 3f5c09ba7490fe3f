"""A checkpoint's file over HTTP: all of it, a part, or what is known of it. Used by `reading`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header, Response
from fastapi.responses import StreamingResponse

from service.errors import NotFound, OutOfRange, StorageUnavailable
from service.http.ranges import Asked, is_known, part_of
from service.problems import fails_with
from trainer.contract.manifest import FileEntry

MEDIA_TYPE = "application/octet-stream"
Conditions = Annotated[Asked, Header()]
"""Of the request."""


@dataclass(frozen=True)
class StoredFile:
    """A file that a manifest names, and how to read it."""

    entry: FileEntry
    read: Callable[[int, int | None], Iterator[bytes]]
    """Its bytes from one position to before another, None for the end, in pieces. Raises NoSuchObject,
    StoreUnavailable."""

    @property
    def etag(self) -> str:
        return f'"{self.entry.sha256}"'


def describe(file: StoredFile) -> Response:
    """The answer to HEAD: that to GET without the bytes."""
    return Response(media_type=MEDIA_TYPE, headers=_headers(file, file.entry.size))


def send(file: StoredFile, asked: Asked) -> Response:
    """The answer to GET. Raises OutOfRange."""
    if is_known(asked, file.etag):
        return Response(status_code=304, headers={"ETag": file.etag})
    size = file.entry.size
    part = part_of(asked, size, file.etag)
    if part is None:
        pieces, status, headers = file.read(0, None), 200, _headers(file, size)
    else:
        pieces, status = file.read(*part), 206
        headers = _headers(file, part.stop - part.start) | {"Content-Range": part.of(size)}
    return StreamingResponse(pieces, status, headers, media_type=MEDIA_TYPE)


def _headers(file: StoredFile, length: int) -> dict[str, str]:
    return {"Content-Length": str(length), "ETag": file.etag, "Accept-Ranges": "bytes"}


def _bytes(description: str) -> dict[str, Any]:
    schema = {"type": "string", "format": "binary"}
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": schema, "example": "(bytes)"}},
    }


HEAD_RESPONSES: dict[int | str, dict[str, Any]] = fails_with(NotFound, StorageUnavailable)
RESPONSES = fails_with(NotFound, OutOfRange, StorageUnavailable) | {
    200: _bytes("The file's bytes"),
    206: _bytes("The part that `Range` asked for"),
    304: {"description": "The client has the file: `If-None-Match` names its ETag"},
}
