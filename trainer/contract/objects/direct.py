"""Large writes that leave the page cache out: nobody reads a checkpoint soon, and a copy of it in the cache
would cost a training beside it processor time, memory, and its images that are cached."""

import errno
import fcntl
import os
from io import FileIO
from mmap import PAGESIZE

from trainer.contract.objects.store import Piece

DIRECT = getattr(os, "O_DIRECT", 0)
"""Linux's; where there is none, all goes through the cache."""
LEAST = 4 << 20
"""Bytes for which it is worth it. Not for what is copied here piece by piece, and read again at once."""


def write(file: FileIO, piece: Piece) -> None:
    """All of `piece`, at the end of `file`. Pages of it go past the cache, where it lies in memory as far
    into a page as it will in the file, and where the file system can do so."""
    rest = memoryview(piece)
    if DIRECT and len(rest) >= LEAST:
        into_page = -file.tell() % PAGESIZE
        _through_cache(file, rest[:into_page])
        rest = rest[into_page:]
        rest = rest[_past_cache(file, rest[: len(rest) // PAGESIZE * PAGESIZE]) :]
    _through_cache(file, rest)


def _through_cache(file: FileIO, rest: memoryview) -> None:
    while rest:
        rest = rest[file.write(rest) :]


def _past_cache(file: FileIO, pages: memoryview) -> int:
    """How many bytes of it were written: none where that cannot be done."""
    flags, done = fcntl.fcntl(file, fcntl.F_GETFL), 0
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | DIRECT)
        while done < len(pages):
            done += os.write(file.fileno(), pages[done:])
    except OSError as error:
        if error.errno != errno.EINVAL:  # what does not lie so, or a file system that cannot
            raise
    finally:
        fcntl.fcntl(file, fcntl.F_SETFL, flags)
    return done
