"""IDX, the format of MNIST and its kin: a few bytes of shape, then the array. Bytes only, no pickles."""

import gzip
import math
import struct
from pathlib import Path

import torch
from torch import Tensor

from trainer.data.dataset import Split

UNSIGNED_BYTE = 8
"""IDX's code for the one element type these data sets use."""


def read(path: Path) -> Tensor:
    """The uint8 array in a gzipped IDX file. Raises ValueError when it is not one."""
    data = gzip.decompress(path.read_bytes())
    if len(data) < 4 or data[:3] != bytes((0, 0, UNSIGNED_BYTE)):
        raise ValueError(f"{path} is not an IDX file of unsigned bytes")
    start = 4 + 4 * data[3]
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    if len(data) != start + math.prod(shape):
        raise ValueError(f"{path} has {len(data) - start} bytes of data; its shape is {shape}")
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=start).reshape(shape)


def read_split(folder: Path, split: str) -> Split:
    """`split` of a folder with MNIST's file names: 'train' or 't10k'."""
    images = read(folder / f"{split}-images-idx3-ubyte.gz")
    labels = read(folder / f"{split}-labels-idx1-ubyte.gz")
    return Split(images, labels.to(torch.int64))


def write(path: Path, array: Tensor) -> None:
    """The same array gives the same bytes: no time and no name in the gzip header."""
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    header = bytes((0, 0, UNSIGNED_BYTE, array.ndim)) + shape
    body = array.contiguous().numpy().tobytes()
    path.write_bytes(gzip.compress(header + body, compresslevel=9, mtime=0))
