"""What a store must do before jobs are kept in it, each tried on it. Used by `residual store verify`."""

import hashlib
import random
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import httpx

from trainer.contract.objects.store import AlreadyExists, NoSuchObject, ObjectStore

WRITERS = 8
IN_FLIGHT = 64
"""Creations at one time: eight registers, each with all its writers."""
EDGES = (64 << 20, (16 << 20) + 1, 16 << 20, (1 << 20) + 1, 1 << 20, 1, 0)
"""Bytes: the largest that is tried, and where requests begin to have several parts or pieces."""
SMALL = 1 << 20
"""Bytes. The others are smaller, half of them below 1 KiB; larger ones go as files."""
EXPIRES_WITHIN_S = 20
"""A URL of one second is refused after so long at the latest: clocks differ."""
URL_LASTS = timedelta(minutes=5)

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Broken(Exception):
    """The store did not do what it must; the message is a sentence that says what."""


@dataclass
class Trial:
    """One verification of a store, below a folder that nobody else uses."""

    store: ObjectStore
    folder: str
    sizes: list[int]
    """Bytes of each object."""
    registers: int
    """Keys for which writers race."""
    advance: Callable[[], object]
    """Called `steps_of(trial)` times, as it gets on."""
    random: random.Random
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each object that was written."""

    def key(self, number: int) -> str:
        return f"{self.folder}/objects/{number:05d}"


Check = Callable[[Trial], str]
"""Says what held. Raises Broken, StoreUnavailable."""


def sizes_of(objects: int, most_bytes: int, chance: random.Random) -> list[int]:
    """So many sizes from nothing to 64 MiB; the largest are cut for there to be no more in all."""
    skewed = [int(2 ** chance.uniform(0, 20)) - 1 for _ in range(objects)]
    sizes, most = [*EDGES, *skewed][:objects], max(EDGES)
    while sum(min(size, most) for size in sizes) > most_bytes:
        most //= 2
    chance.shuffle(sizes)
    return [min(size, most) for size in sizes]


def steps_of(trial: Trial) -> int:
    return trial.registers * WRITERS + 3 * len(trial.sizes)


def created_once(trial: Trial) -> str:
    def create(race: tuple[int, int]) -> tuple[int, int] | None:
        register, writer = race
        try:
            trial.store.create(f"{trial.folder}/registers/{register}", _claim(writer))
        except AlreadyExists:
            return None
        finally:
            trial.advance()
        return race

    races = [(r, w) for r in range(trial.registers) for w in range(WRITERS)]
    won = [race for race in side_by_side(create, races, IN_FLIGHT) if race]
    if len({register for register, _ in won}) < len(won):
        raise Broken("it let a second create() replace the first: it overwrites what must stay")
    if len(won) < trial.registers:
        raise Broken("of some objects that were to be created no writer won")
    for register, writer in won:
        if trial.store.get(f"{trial.folder}/registers/{register}") != _claim(writer):
            raise Broken("what was created is not what its one winner wrote")
    return f"{trial.registers} registers, {WRITERS} writers at each: one winner, and its bytes"


def objects_whole(trial: Trial) -> str:
    def write(number: int) -> None:
        body = random.Random(f"{trial.folder}{number}").randbytes(trial.sizes[number])  # noqa: S311
        trial.digests[trial.key(number)] = hashlib.sha256(body).hexdigest()
        if len(body) <= SMALL:
            trial.store.put(trial.key(number), body)
        else:
            with tempfile.NamedTemporaryFile() as file:
                file.write(body)
                file.flush()
                trial.store.upload(trial.key(number), Path(file.name))
        trial.advance()

    def read(number: int) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            if trial.sizes[number] <= SMALL:
                body = trial.store.get(trial.key(number))
            else:
                trial.store.download(trial.key(number), Path(folder, "file"))
                body = Path(folder, "file").read_bytes()
        trial.advance()
        return hashlib.sha256(body).hexdigest() == trial.digests[trial.key(number)]

    numbers = range(len(trial.sizes))
    list(side_by_side(write, numbers))
    wrong = list(side_by_side(read, numbers)).count(False)
    if wrong:
        raise Broken(f"{wrong} of {len(trial.sizes)} objects came back with other bytes")
    return f"{len(trial.sizes)} objects of 0 to {max(trial.sizes):,} bytes, each with its SHA-256"


def replaced_at_once(trial: Trial) -> str:
    key = f"{trial.folder}/replaced"
    for number in range(20):
        trial.store.put(key, f"version {number}".encode())
        if trial.store.get(key) != f"version {number}".encode():
            raise Broken("after an object was replaced, the old one was read")
    return "20 replacements, each seen by the next read"


def ranges(trial: Trial) -> str:
    key, body = f"{trial.folder}/ranges", trial.random.randbytes(3 << 20)
    trial.store.put(key, body)
    for _ in range(20):
        start, stop = sorted(trial.random.sample(range(len(body) + 1), 2))
        if b"".join(trial.store.stream(key, start, stop)) != body[start:stop]:
            raise Broken(f"bytes {start} to {stop} of an object were not what was asked for")
        if trial.store.get(key, start) != body[start:]:
            raise Broken(f"an object from byte {start} on was not what was asked for")
    if trial.store.get(key, len(body)) or trial.store.get(key, len(body) + 1):
        raise Broken("there was something after the end of an object")
    return "40 ranges of 3 MiB, and nothing after the end"


def listed(trial: Trial) -> str:
    found = list(trial.store.list(f"{trial.folder}/objects/"))
    wanted = [(trial.key(number), size) for number, size in enumerate(trial.sizes)]
    if sorted(found) != wanted:
        missing = len(set(wanted) - set(found))
        raise Broken(f"a listing of {len(wanted)} objects lacked {missing}, or had others")
    if found != wanted:
        raise Broken("a listing was not in the order of the names")
    return f"{len(wanted)} objects, in order, with their sizes"


def presigned(trial: Trial) -> str:
    key, other = f"{trial.folder}/open", f"{trial.folder}/shut"
    for name in (key, other):
        trial.store.put(name, b"0123456789")
    url, short = (trial.store.presigned(key, last) for last in (URL_LASTS, timedelta(seconds=1)))
    if url is None or short is None:
        return "none: the service passes the bytes on itself"
    with httpx.Client(timeout=30) as http:
        try:
            whole, part = http.get(url), http.get(url, headers={"Range": "bytes=2-4"})
            if (whole.content, part.status_code, part.content) != (b"0123456789", 206, b"234"):
                raise Broken("a URL did not give the object, and a range of it, without a key")
            if http.get(url.replace("/open?", "/shut?")).is_success:
                raise Broken("a URL of one object opened another one")
            if http.put(url, content=b"overwritten").is_success:
                raise Broken("a URL for reading could be used to write")
            deadline = time.monotonic() + EXPIRES_WITHIN_S
            while http.get(short).is_success:
                if time.monotonic() > deadline:
                    raise Broken("a URL of one second still opened its object after twenty")
                time.sleep(0.2)  # between two looks, until the deadline
        except httpx.HTTPError as error:
            raise Broken(f"a URL of the store could not be fetched from here: {error}") from error
    return "opens one object without a key, with ranges, for reading only, and expires"


def deleted(trial: Trial) -> str:
    def delete(number: int) -> None:
        trial.store.delete(trial.key(number))
        trial.advance()

    list(side_by_side(delete, range(len(trial.sizes))))
    if next(trial.store.list(f"{trial.folder}/objects/"), None):
        raise Broken("what was deleted was still listed")
    try:
        trial.store.get(trial.key(0))
    except NoSuchObject:
        return f"{len(trial.sizes)} objects, gone at once"
    raise Broken("what was deleted could still be read")


CHECKS: dict[str, Check] = {
    "created once": created_once,
    "whole": objects_whole,
    "replaced": replaced_at_once,
    "ranges": ranges,
    "listed": listed,
    "URLs": presigned,
    "deleted": deleted,
}
"""In the order in which they are made: what must not go wrong at all comes first."""


def clean(store: ObjectStore, folder: str) -> None:
    """Remove everything below `folder`."""
    list(side_by_side(lambda found: store.delete(found.key), list(store.list(f"{folder}/"))))


def side_by_side(
    work: Callable[[Item], Answer], items: Iterable[Item], at_once: int = WRITERS
) -> Iterable[Answer]:
    """What `work` makes of each, in order. Of what was not begun nothing is, once anything failed."""
    pool = ThreadPoolExecutor(at_once)
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)


def _claim(writer: int) -> bytes:
    return f"writer {writer} ".encode() * 500
