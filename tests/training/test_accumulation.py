"""However many workers share a step, and in however many turns, it is the same step."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.training.small_runs import (
    attempt,
    hashes,
    kept_steps,
    learner,
    order,
    points,
    small_spec,
    started,
)
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.local import LocalStore
from trainer.contract.resolve import sized
from trainer.contract.spec import ResolvedSpec
from trainer.data.dataset import Dataset
from trainer.data.load import load
from trainer.training.group import Group
from trainer.training.learner import Learner
from trainer.training.loop import add_gradients, forward

SHARES = 4
ELASTIC = {"workers": {"min": 1, "max": SHARES}, "batch_size": 50}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    torch.set_num_threads(1)
    return load(DATASETS["digits"], LocalStore(tmp_path_factory.mktemp("store")))


def with_workers(workers: int) -> ResolvedSpec:
    spec = sized(small_spec(**ELASTIC), workers)
    assert isinstance(spec, ResolvedSpec)
    assert spec.accumulation * workers == SHARES
    return spec


def team(digits: Dataset, workers: int) -> list[Learner]:
    """The workers of an attempt, each with the same weights."""
    spec = with_workers(workers)
    return [learner(digits, spec, group=Group(rank, workers)) for rank in range(workers)]


def gradients(digits: Dataset, workers: int) -> tuple[dict[str, Tensor], Tensor]:
    """The mean of the workers' gradients, as DDP makes it, and the sum of their tallies."""
    members = team(digits, workers)
    sums = torch.stack([add_gradients(member, 3) for member in members]).sum(dim=0)
    found: dict[str, Tensor] = {}
    for member in members:
        for name, parameter in member.network.named_parameters():
            assert parameter.grad is not None
            found[name] = found.get(name, torch.zeros(())) + parameter.grad / workers
    return found, sums


@pytest.mark.parametrize("workers", [1, 2])
def test_fewer_workers_in_more_turns_come_to_the_same_gradients(
    digits: Dataset, workers: int
) -> None:
    expected, counted = gradients(digits, SHARES)
    found, sums = gradients(digits, workers)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)
    assert torch.equal(sums[1:], counted[1:])
    assert sums[3] == 50
    torch.testing.assert_close(sums[0], counted[0])


def test_any_number_of_workers_takes_the_same_images_in_the_same_order(digits: Dataset) -> None:
    def seen(workers: int) -> list[int]:
        """The labels of two steps, an epoch apart."""
        return [
            int(label)
            for step in (1, 29)
            for member in team(digits, workers)
            for turn in range(member.spec.accumulation)
            for label in forward(member, step, turn).labels
        ]

    assert len(seen(4)) == 100
    assert seen(1) == seen(2) == seen(4)


def test_a_run_goes_on_from_the_checkpoint_of_another_number_of_workers(tmp_path: Path) -> None:
    """One process stands for both: as all workers of the small attempt, then of one with fewer turns."""
    store = LocalStore(tmp_path)
    first = with_workers(1).model_copy(update={"iterations": 10})
    attempt(store, order(1, first))
    second = first.model_copy(update={"iterations": 14, "accumulation": 1})
    attempt(store, order(2, second))
    assert started(store, 2).resumed_step == 10
    joined = [point for number in (1, 2) for point in points(store, number)]
    assert [(point.step, point.images) for point in joined] == [(n, 50) for n in range(1, 15)]


def test_a_step_in_turns_is_the_same_bits_each_time(tmp_path: Path) -> None:
    spec = with_workers(1).model_copy(update={"iterations": 5})
    stores = [LocalStore(tmp_path / name) for name in ("first", "second")]
    for store in stores:
        attempt(store, order(1, spec))
    assert kept_steps(stores[0], 1) == [5]
    assert hashes(stores[0], 1, 5) == hashes(stores[1], 1, 5)
