"""Tensors as the bytes of a safetensors file, of which none is copied: a checkpoint goes from the copies of
the training state into its store, and lies in no file between. `safetensors` reads what is made here."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from mmap import PAGESIZE

import torch
from torch import Tensor

from trainer.contract.objects.store import Piece

DTYPES = {torch.int64: "I64", torch.float32: "F32", torch.uint8: "U8"}
"""What a training state is made of, by the format's names."""
ALIGNED = 8
"""The first tensor begins at a multiple of so many bytes."""


def in_order(tensor: Tensor) -> Tensor:
    """The same values as they lie in a new tensor of that shape; the same memory where they do already."""
    # Of a 1×1 convolution in channels last only the strides say so: a view has them anew.
    return tensor.contiguous().view(-1).view(tensor.shape)


def room(like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Zeros on the CPU of the same names, shapes and types, which lie in memory as they will in a file: one
    piece, that begins as far into a page as it will in the file."""
    head, ends = _head(like)
    total = max(ends.values(), default=0)
    ground = torch.empty(total + PAGESIZE, dtype=torch.uint8).zero_()
    begin = (len(head) - ground.data_ptr()) % PAGESIZE
    return {
        name: ground[begin + ends[name] - tensor.nbytes : begin + ends[name]]
        .view(tensor.dtype)
        .view(tensor.shape)
        for name, tensor in like.items()
    }


@dataclass(frozen=True)
class Packed:
    """A file's pieces: its header, then the tensors' own memory, so whoever changes one changes the file.
    What does not lie in order is copied when its turn comes; what lies as it will in the file is one piece.

    float32, int64 and uint8, on the CPU.
    """

    tensors: Mapping[str, Tensor]

    def __iter__(self) -> Iterator[Piece]:
        """Raises KeyError for tensors of other types."""
        head, ends = _head(self.tensors)
        yield head
        yield from map(_piece, _runs(in_order(self.tensors[name]) for name in ends))


def _head(tensors: Mapping[str, Tensor]) -> tuple[bytes, dict[str, int]]:
    """What precedes the tensors in a file, and where each ends after it, in the file's order."""
    # In the order of the library itself, so that the same tensors make the same bytes.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    ends = dict(zip(names, accumulate(tensors[name].nbytes for name in names), strict=True))
    fields = {
        name: {
            "dtype": DTYPES[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [end - tensors[name].nbytes, end],
        }
        for name, end in ends.items()
    }
    header = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % ALIGNED)
    return len(header).to_bytes(8, "little") + header, ends


def _runs(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Those that lie in memory one after the other."""
    run: list[Tensor] = []
    for tensor in tensors:
        if tensor.nbytes == 0:
            continue
        if run and not _follows(run[-1], tensor):
            yield run
            run = []
        run.append(tensor)
    if run:
        yield run


def _follows(one: Tensor, other: Tensor) -> bool:
    shared = one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
    return shared and one.data_ptr() + one.nbytes == other.data_ptr()


def _piece(run: list[Tensor]) -> memoryview:
    """The memory of all of them."""
    first, last = run[0], run[-1]
    memory = torch.empty(0, dtype=torch.uint8).set_(first.untyped_storage())
    begin = first.data_ptr() - memory.data_ptr()
    return memory[begin : last.data_ptr() + last.nbytes - memory.data_ptr()].numpy().data
