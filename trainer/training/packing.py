"""Tensors as the bytes of a safetensors file, of which none is copied: a checkpoint goes from the copies of
the training state into its store, and lies in no file between. `safetensors` reads what is made here."""

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate

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


def pack(tensors: Mapping[str, Tensor]) -> Sequence[Piece]:
    """The header, then the tensors' own memory: whoever changes one before the pieces are used changes the
    file. float32, int64 and uint8, on the CPU; raises KeyError for others."""
    # In the order of the library itself, so that the same tensors make the same bytes.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    bodies = [_memory(tensors[name]) for name in names]
    ends = list(accumulate(body.nbytes for body in bodies))
    fields = {
        name: {
            "dtype": DTYPES[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [end - body.nbytes, end],
        }
        for name, body, end in zip(names, bodies, ends, strict=True)
    }
    header = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % ALIGNED)
    return [len(header).to_bytes(8, "little") + header, *bodies]


def _memory(tensor: Tensor) -> memoryview:
    return in_order(tensor).view(-1).view(torch.uint8).numpy().data
