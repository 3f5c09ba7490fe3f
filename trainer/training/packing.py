"""Tensors as the bytes of a safetensors file, of which none is copied: a checkpoint goes from the copies of
the training state into its store, and lies in no file between. `safetensors` reads what is made here."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Packed:
    """A file's pieces: its header, then the tensors' own memory, so whoever changes one changes the file.
    What does not lie in order is copied when its turn comes, into memory that the one before it had.

    float32, int64 and uint8, on the CPU.
    """

    tensors: Mapping[str, Tensor]

    def __iter__(self) -> Iterator[Piece]:
        """Raises KeyError for tensors of other types."""
        # In the order of the library itself, so that the same tensors make the same bytes.
        names = sorted(self.tensors, key=lambda name: (-self.tensors[name].element_size(), name))
        ordered = [self.tensors[name] for name in names]
        ends = list(accumulate(tensor.nbytes for tensor in ordered))
        fields = {
            name: {
                "dtype": DTYPES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [end - tensor.nbytes, end],
            }
            for name, tensor, end in zip(names, ordered, ends, strict=True)
        }
        header = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        header += b" " * (-len(header) % ALIGNED)
        yield len(header).to_bytes(8, "little") + header
        for tensor in ordered:
            yield in_order(tensor).view(-1).view(torch.uint8).numpy().data
