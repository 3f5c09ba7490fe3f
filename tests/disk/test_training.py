"""A training whose store's disk is full waits for room, and loses nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pytest
from torch import Tensor

from tests.disk.tmpfs import Disk, disk
from tests.training.small_runs import (
    Until,
    attempt,
    hashes,
    kept_steps,
    order,
    points,
    small_spec,
)
from tests.waiting import until
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import StoreUnavailable

SPEC = small_spec(iterations=12, checkpoint_every={"steps": 4}, input_size=16)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path / "disk", megabytes=8) as made:
        yield made


@dataclass(frozen=True)
class Watched(LocalStore):
    """A directory that says when it was written in vain."""

    failed: Event = field(default_factory=Event)

    def put(self, key: str, data: bytes) -> None:
        try:
            super().put(key, data)
        except StoreUnavailable:
            self.failed.set()
            raise


def test_a_training_goes_on_when_there_is_room_again_and_ends_with_the_same_bits(
    small: Disk, tmp_path: Path
) -> None:
    undisturbed, store = LocalStore(tmp_path / "objects"), Watched(small.folder)
    attempt(undisturbed, order(1, SPEC))
    filled = Event()

    def fill_once(logits: Tensor) -> Tensor:
        if not filled.is_set():
            small.fill()
            filled.set()
        return logits

    def train() -> None:
        attempt(store, order(1, SPEC), lambda network: Until(network, 5, fill_once))

    training = Thread(target=train)
    training.start()
    until(store.failed.is_set, within_s=60)
    small.free()
    training.join(60)
    assert kept_steps(store, 1)[-1] == 12
    assert hashes(store, 1, 12) == hashes(undisturbed, 1, 12)
    assert [point.step for point in points(store, 1)] == list(range(1, 13))
