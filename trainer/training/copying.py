"""Copies tensors to the CPU beside a training loop. `snapshot` uses it, and the thread that writes."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]
"""What is copied, and the buffer on the CPU that it is copied into."""


class Copier(Protocol):
    """One copy is on its way at most: the last one is settled before the next begins."""

    def begin(self, pairs: Sequence[Pair], *, at_once: Sequence[Pair]) -> None:
        """Copy all of them; those `at_once` may be changed when this returns."""

    def before_changes(self) -> None:
        """Call it before anything changes what is copied."""

    def settle(self) -> None:
        """Return when the buffers are whole."""


class InThread:
    """For tensors on the CPU."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "copy", initializer=compute_alone)
        self._flight: Future[None] | None = None

    def begin(self, pairs: Sequence[Pair], *, at_once: Sequence[Pair]) -> None:
        copy(at_once)
        self._flight = self._thread.submit(copy, pairs)

    def before_changes(self) -> None:
        self.settle()

    def settle(self) -> None:
        if self._flight is not None:
            self._flight.result()


class OnDevice:
    """For tensors on a GPU, into pinned buffers. The loop's process waits for nothing here: what must
    wait for a copy waits on the device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def begin(self, pairs: Sequence[Pair], *, at_once: Sequence[Pair]) -> None:
        copy(at_once)
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            copy(pairs)
            self._copied.record()

    def before_changes(self) -> None:
        torch.cuda.current_stream(self._device).wait_event(self._copied)

    def settle(self) -> None:
        self._copied.synchronize()


def compute_alone() -> None:
    """Let the calling thread compute without others. A second team of threads would be in the way of the
    loop's: those wait for each other many times a step, and so for whichever of them has no core.
    The setting is a thread's own, but for threads that compute for the first time after it."""
    torch.set_num_threads(1)


@torch.no_grad()
def copy(pairs: Sequence[Pair]) -> None:
    """In one call for all of them."""
    sources, buffers = [source for source, _ in pairs], [buffer for _, buffer in pairs]
    if pairs:
        torch._foreach_copy_(buffers, sources, non_blocking=True)
