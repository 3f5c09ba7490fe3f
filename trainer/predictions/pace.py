"""Tells the service how far a prediction is and how fast it goes. The driver keeps it."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from trainer.contract import layout
from trainer.contract.attempts import Advance, Order
from trainer.contract.objects.store import ObjectStore, StoreUnavailable

EVERY_S = 1.0
"""The service looks every few seconds."""


@dataclass
class Pace:
    """Of one attempt."""

    store: ObjectStore
    order: Order
    of: int
    """Images in all."""
    images: int
    """That are written, those of earlier attempts among them."""
    timer: Callable[[], float] = time.monotonic
    _own: int = 0
    _began: float | None = None
    """When the first worker began with its first part."""
    _told: float | None = None

    @property
    def images_per_second(self) -> float | None:
        took = 0.0 if self._began is None else self.timer() - self._began
        return self._own / took if took > 0 else None

    def done(self, images: int, seconds: float) -> None:
        """A part of `images` images is written, for which a worker took `seconds`."""
        now = self.timer()
        self._began = now - seconds if self._began is None else self._began
        self.images, self._own = self.images + images, self._own + images
        if self._told is None or now - self._told >= EVERY_S or self.images == self.of:
            self.tell()
            self._told = now

    def tell(self) -> None:
        """A store that is away hears it the next time."""
        said = Advance(images=self.images, of=self.of, images_per_second=self.images_per_second)
        key = layout.progress(self.order.job_id, self.order.attempt)
        with suppress(StoreUnavailable):
            self.store.put(key, said.model_dump_json().encode())
