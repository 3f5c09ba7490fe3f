"""The workers of one attempt, as the loop sees them: some sums, and what the first one knows.

With one worker nothing is communicated, so everything runs without torch.distributed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Group:
    """This process's place among the workers. A call is made by all of them, in the same order."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this worker writes for all: metrics, checkpoints, progress."""
        return self.rank == 0

    def add(self, sums: Tensor) -> None:
        """Sum `sums` over the workers, in place."""
        if self.world > 1:
            dist.all_reduce(sums)

    def add_later(self, sums: Tensor) -> dist.Work | None:
        """The same without waiting: `sums` is right once what is returned has been waited for."""
        return dist.all_reduce(sums, async_op=True) if self.world > 1 else None

    def copy_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite `tensors` with the first worker's."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def number_from_first(self, number: int, device: torch.device) -> int:
        """The first worker's `number`; the others wait for it."""
        told = torch.tensor(number, device=device)
        self.copy_first([told])
        return int(told.item())

    def text_from_first(self, text: str, device: torch.device) -> str:
        """The first worker's `text`; the others wait for it."""
        size = self.number_from_first(len(text.encode()), device)
        told = torch.zeros(size, dtype=torch.uint8, device=device)
        if self.first:
            told.copy_(torch.tensor(list(text.encode()), dtype=torch.uint8))
        self.copy_first([told])
        return bytes(told.tolist()).decode()
