"""Parts of a file over HTTP, and what a client has of it already, as RFC 9110 says (13, 14). Used by
downloads."""

import re
from typing import NamedTuple

from pydantic import BaseModel

from service.errors import OutOfRange


class Asked(BaseModel, frozen=True, use_attribute_docstrings=True):
    """Headers of a request for a file."""

    range: str | None = None
    """As `bytes=0-999`, `bytes=1000-` or `bytes=-500`; several ranges at once give the whole file."""
    if_range: str | None = None
    """An ETag: the range is only wanted of this very file."""
    if_none_match: str | None = None
    """ETags that the client has: 304 if the file is one of them."""


class Part(NamedTuple):
    """Of a file, in bytes."""

    start: int
    stop: int
    """Before this one."""

    def of(self, size: int) -> str:
        """The header `Content-Range`."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def part_of(asked: Asked, size: int, etag: str) -> Part | None:
    """None: the whole file, also for what is no range. Raises OutOfRange."""
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", asked.range or "", re.IGNORECASE)
    if found is None or asked.if_range not in {None, etag}:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if first and last and int(first) > int(last):
        return None
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1, size) if first and last else size
    if start >= stop:
        raise OutOfRange(
            f"The file has {size} bytes; ask for some of those, or for all of it.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return Part(start, stop)


def is_known(asked: Asked, etag: str) -> bool:
    """Whether the client has the file already."""
    has = [one.strip().removeprefix("W/") for one in (asked.if_none_match or "").split(",")]
    return etag in has or "*" in has
