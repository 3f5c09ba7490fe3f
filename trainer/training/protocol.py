"""Evaluation by a protocol, shared by all workers: of registered models, and at a training's end."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite

import torch
from torch import Tensor
from torch.nn import functional

from trainer.contract.evaluation import Evaluation, Protocol, view_sides
from trainer.contract.names import Name
from trainer.data.batches import share
from trainer.evaluation.scores import Candidate, check_takes, scores
from trainer.evaluation.version import Unfit
from trainer.training.device import Chosen, autocast
from trainer.training.group import Group
from trainer.training.validation import tally

log = logging.getLogger(__name__)


def evaluate(  # noqa: PLR0913 - all by name
    ensemble: Sequence[Candidate],
    *,
    protocol: Protocol,
    dataset: Name,
    models: tuple[str, ...] = (),
    batch_size: int,
    precision: Chosen,
    group: Group,
    interrupt: Callable[[], None] = lambda: None,
) -> Evaluation:
    """How often the candidates' averaged probabilities are wrong about their images.

    Every worker calls it, with the same weights and statistics, and gets the same answer: each
    counts its own share of the images, `batch_size` at a time. `interrupt` is called before each batch
    and may raise to end it. Raises Unfit.
    """
    for candidate in ensemble:
        candidate.network.eval()
        check_takes(candidate, protocol)
    sums = count(
        ensemble,
        protocol=protocol,
        batch_size=batch_size,
        precision=precision,
        group=group,
        interrupt=interrupt,
    )
    group.add(sums)
    loss, first, five, images = sums.tolist()
    if not isfinite(loss):
        raise Unfit("the probabilities it gives are no numbers; name another version")
    return Evaluation(
        protocol=protocol,
        dataset=dataset,
        models=models,
        top1_error=100 * first / images,
        top5_error=100 * five / images,
        loss=loss / images,
        images=int(images),
        views=len(view_sides(protocol, ensemble[0].transform.input_size)),
    )


def count(  # noqa: PLR0913 - all by name
    ensemble: Sequence[Candidate],
    *,
    protocol: Protocol,
    batch_size: int,
    precision: Chosen,
    group: Group,
    interrupt: Callable[[], None] = lambda: None,
) -> Tensor:
    """The `tally` of this worker's share of the images: over all workers each is counted once."""
    device, labels = ensemble[0].pixel_mean.device, ensemble[0].images.labels
    mine = share(len(labels), group.rank, group.world)
    progress = ProgressLog(mine.stop - mine.start)
    sums = torch.zeros(4, dtype=torch.float64, device=device)
    for start in range(mine.start, mine.stop, batch_size):
        interrupt()
        batch = slice(start, min(start + batch_size, mine.stop))
        found = scores(ensemble, batch, protocol=protocol, precision=autocast(device, precision))
        targets = labels[batch].to(device)
        sums += tally(found, targets, functional.nll_loss(found, targets, reduction="sum"))
        progress.done(batch.stop - batch.start)
    return sums


@dataclass
class ProgressLog:
    """Says every few seconds how far this worker is."""

    images: int
    """Its share."""
    every_s: float = 5.0
    timer: Callable[[], float] = time.monotonic
    _done: int = 0
    _began: float = field(init=False)
    _said: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._said = self.timer()

    def done(self, images: int) -> None:
        """`images` more are."""
        self._done += images
        now = self.timer()
        if now - self._said < self.every_s and self._done < self.images:
            return
        self._said = now
        rate = self._done / (now - self._began) if now > self._began else 0.0
        log.info("%d of this worker's %d images; %.0f images/s", self._done, self.images, rate)
