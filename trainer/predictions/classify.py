"""From images to rows, a batch at a time. The batches of a part are always the same, so its rows are too."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from trainer.evaluation.version import Unfit
from trainer.predictions.reading import Seen
from trainer.predictions.table import Row

Logits = Callable[[Tensor], Tensor]
"""The engine: prepared images uint8 (B, 3, S, S) → float (B, classes)."""


def rows(batches: Iterable[Sequence[Seen]], logits: Logits, *, top_k: int) -> Iterator[Row]:
    """A row an image, in their order. Raises Unfit when the probabilities are no numbers."""
    for batch in batches:
        pixels = [one.pixels for one in batch if one.pixels is not None]
        found = iter(_best(logits(torch.stack(pixels)), top_k) if pixels else ())
        for one in batch:
            indices, probabilities = (None, None) if one.pixels is None else next(found)
            yield Row(one.row, one.file, one.sha256, indices, probabilities, one.error)


def _best(logits: Tensor, top_k: int) -> Iterator[tuple[list[int], list[float]]]:
    """Of each image the indices and probabilities of its most probable classes; of equal ones the class
    that comes first."""
    probabilities = logits.cpu().double().softmax(dim=1)
    if not probabilities.isfinite().all():
        raise Unfit("the probabilities it gives are no numbers; name another version")
    ordered = probabilities.sort(dim=1, descending=True, stable=True)
    return zip(ordered.indices[:, :top_k].tolist(), ordered.values[:, :top_k].tolist(), strict=True)
