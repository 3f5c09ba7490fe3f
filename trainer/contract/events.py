"""TensorBoard's event files, as bytes: records of metric points. `trainer.training.tensorboard` writes them,
the service cuts them to the steps that count.

A file is a TFRecord: of each record its length, a check of that, its bytes, a check of those. The bytes are
an `Event` in protocol buffers (tensorflow/core/util/event.proto). Both are fixed since 2015 and small, so
neither one's library is needed.
"""

import struct
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

VERSION = b"brain.Event:2"
"""What the first record of every file says."""
CASTAGNOLI = 0x82F63B78
"""CRC-32C's polynomial, reflected."""
MASK = 0xA282EAD8
SUFFIX_DIGITS = 10

# Tags of protocol buffers: the field's number, and how its value is written (0 a varint, 1 eight bytes,
# 2 its length and then it, 5 four bytes).
WALL_TIME, STEP, FILE_VERSION, SUMMARY = b"\x09", b"\x10", b"\x1a", b"\x2a"  # of Event
VALUE = b"\x0a"  # of Summary
NAME, SIMPLE_VALUE = b"\x0a", b"\x15"  # of Summary.Value


class Record(NamedTuple):
    """One of a file's, as it lies there."""

    step: int
    """0: it has none."""
    whole: bytes
    """With its length and its checks."""


def file_name(number: int) -> str:
    """Of an attempt's event file, counted from 0: TensorBoard reads a directory's in the order of names."""
    return f"events.out.tfevents.{number:0{SUFFIX_DIGITS}d}"


def head(at: datetime) -> bytes:
    """A file's first record."""
    return _framed(WALL_TIME + struct.pack("<d", at.timestamp()) + _sized(FILE_VERSION, VERSION))


def scalars(step: int, at: datetime, values: Mapping[str, float]) -> bytes:
    """A record of some scalars, each by the name of its chart."""
    summary = b"".join(
        _sized(VALUE, _sized(NAME, name.encode()) + SIMPLE_VALUE + struct.pack("<f", value))
        for name, value in values.items()
    )
    time = WALL_TIME + struct.pack("<d", at.timestamp())
    return _framed(time + STEP + _varint(step) + _sized(SUMMARY, summary))


def records(file: bytes) -> Iterator[Record]:
    """A file's whole records, as this module wrote them. What is after the last of them is left out."""
    start = 0
    while start + 12 <= len(file):
        (size,) = struct.unpack_from("<Q", file, start)
        end = start + 12 + size + 4
        if end > len(file):
            return
        yield Record(_step(file[start + 12 : end - 4]), file[start:end])
        start = end


def until(file: bytes, step: int) -> bytes:
    """A file without the records of later steps."""
    return b"".join(record.whole for record in records(file) if record.step <= step)


def masked_crc32c(data: bytes) -> int:
    """The check of a TFRecord."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    def entry(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (CASTAGNOLI if value & 1 else 0)
        return value

    return tuple(entry(byte) for byte in range(256))


TABLE = _table()


def _framed(data: bytes) -> bytes:
    size = struct.pack("<Q", len(data))
    checks = (struct.pack("<I", masked_crc32c(part)) for part in (size, data))
    return size + next(checks) + data + next(checks)


def _sized(tag: bytes, value: bytes) -> bytes:
    return tag + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the low ones first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(found) + bytes([value])


def _step(event: bytes) -> int:
    """Of an event that begins with its time and its step."""
    if event[9:10] != STEP:
        return 0
    step = shift = 0
    for byte in event[10:]:
        step |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return step
