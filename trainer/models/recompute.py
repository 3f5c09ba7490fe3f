"""Activations computed again in the backward pass instead of kept, block by block. `resnet` uses it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def recomputed(stage: nn.Module, x: Tensor) -> Tensor:
    """What the blocks of `stage` make of `x`, one after the other, keeping only each block's input.

    The blocks must draw no random numbers.
    """
    for block in stage.children():
        x = checkpoint(
            block,
            x,
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=partial(_contexts, block),
        )
    return x


def _contexts(
    block: nn.Module,
) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Around the first computation of `block`, and around the second."""
    return nullcontext(), _buffers_kept(block)


@contextmanager
def _buffers_kept(block: nn.Module) -> Iterator[None]:
    """Puts the block's buffers back at the end: the second computation would move batch
    normalisation's running statistics a second time by the same images."""
    before = [buffer.clone() for buffer in block.buffers()]
    try:
        yield
    finally:  # PyTorch leaves by an exception, as soon as all that the backward pass needs is there
        with torch.no_grad():
            for buffer, value in zip(block.buffers(), before, strict=True):
                buffer.copy_(value)
