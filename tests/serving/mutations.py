"""Image files that are damaged in every way that a stranger's are. Used by the tests of serving and by the
experiment `images`."""

import zlib
from collections.abc import Callable, Sequence
from random import Random

Mutation = Callable[[bytes, bytes, Random], bytes]
"""From a file, another file and chance to a damaged one."""

PNG_SIZE = slice(16, 24)
"""Width and height, each four bytes, big-endian."""


def mutated(files: Sequence[bytes], chance: Random) -> tuple[str, bytes]:
    """What was done, and what came of it."""
    name = chance.choice(list(MUTATIONS))
    return name, MUTATIONS[name](chance.choice(files), chance.choice(files), chance)


def _bits(file: bytes, _: bytes, chance: Random) -> bytes:
    damaged = bytearray(file)
    for _each in range(chance.randint(1, 30)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _cut(file: bytes, _: bytes, chance: Random) -> bytes:
    return file[: chance.randrange(1, len(file))]


def _header(file: bytes, _: bytes, chance: Random) -> bytes:
    """Bytes of the beginning, where sizes and kinds are."""
    damaged = bytearray(file)
    for _each in range(chance.randint(1, 8)):
        damaged[chance.randrange(min(80, len(damaged)))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(damaged)


def _removed(file: bytes, _: bytes, chance: Random) -> bytes:
    start, stop = _piece(file, chance)
    return file[:start] + file[stop:]


def _doubled(file: bytes, _: bytes, chance: Random) -> bytes:
    start, stop = _piece(file, chance)
    return file[:stop] + file[start:]


def _of_another(file: bytes, other: bytes, chance: Random) -> bytes:
    start, stop = _piece(file, chance)
    begin, end = _piece(other, chance)
    return file[:start] + other[begin:end] + file[stop:]


def _blank(file: bytes, _: bytes, chance: Random) -> bytes:
    start, stop = _piece(file, chance)
    return file[:start] + chance.choice((b"\0", b"\xff")) * (stop - start) + file[stop:]


def _sized(file: bytes, _: bytes, chance: Random) -> bytes:
    """A PNG that says another size, with the right checksum; of other files, a few bytes more."""
    if not file.startswith(b"\x89PNG"):
        return file + chance.randbytes(chance.randint(1, 100))
    sides = [chance.choice((0, 1, 2, 3000, 30_000, 2**31 - 1, 2**32 - 1)) for _ in range(2)]
    damaged = bytearray(file)
    damaged[PNG_SIZE] = b"".join(side.to_bytes(4, "big") for side in sides)
    damaged[29:33] = zlib.crc32(damaged[12:29]).to_bytes(4, "big")
    return bytes(damaged)


def _noise(file: bytes, _: bytes, chance: Random) -> bytes:
    """Anything, after the first bytes of an image."""
    return file[: chance.randint(1, 16)] + chance.randbytes(chance.randint(1, 2000))


MUTATIONS: dict[str, Mutation] = {
    "bits": _bits,
    "cut off": _cut,
    "header": _header,
    "piece removed": _removed,
    "piece doubled": _doubled,
    "piece of another": _of_another,
    "piece blank": _blank,
    "other size": _sized,
    "noise": _noise,
}


def _piece(file: bytes, chance: Random) -> tuple[int, int]:
    start = chance.randrange(len(file))
    return start, min(len(file), start + chance.randint(1, 1 + len(file) // 3))
