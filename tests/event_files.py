"""TensorBoard's event files, read by tensorboardX's classes: not by what wrote them."""

import struct
from collections.abc import Iterator

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c


def read(file: bytes) -> Iterator[Event]:
    """The events of a file; every check is checked."""
    start = 0
    while start < len(file):
        size, check = struct.unpack_from("<QI", file, start)
        assert check == masked_crc32c(file[start : start + 8])
        data = file[start + 12 : start + 12 + size]
        (check,) = struct.unpack_from("<I", file, start + 12 + size)
        assert check == masked_crc32c(data)
        yield Event.FromString(data)
        start += 16 + size


def scalars(file: bytes) -> list[Event]:
    """The events after the one that begins every file."""
    first, *others = read(file)
    assert first.file_version == "brain.Event:2"
    return others
