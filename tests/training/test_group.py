"""Three real processes on gloo: what they compute together is what one computes alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tests.training import small_runs
from tests.training.small_runs import (
    CPU,
    Killed,
    Until,
    kill,
    learner,
    linear,
    order,
    setting,
    small_spec,
)
from tests.workers import together
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.local import LocalStore
from trainer.data.load import load
from trainer.training.attempt import run
from trainer.training.group import Group
from trainer.training.loop import train
from trainer.training.validation import evaluate

WORLD = 3


def share(rank: int, root: Path) -> None:
    """One of the processes; the first writes what the tests look at."""
    group = Group(rank, WORLD)
    weights = {turns: one_step(root, group, turns) for turns in (1, 2)}
    counted = {world: count(root, Group(rank, world)) for world in (1, 2, 3) if rank < world}
    gathered: list[dict[int, float] | None] = [None] * WORLD
    dist.all_gather_object(gathered, counted)
    told: list[str | None] = [None] * WORLD
    dist.all_gather_object(told, group.text_from_first("first, " * (WORLD - rank), CPU))
    resumed(root, group)
    if group.first:
        torch.save(weights, root / "weights.pt")
        (root / "counted.json").write_text(json.dumps(gathered))
        (root / "told.json").write_text(json.dumps(told))


def one_step(root: Path, group: Group, turns: int = 1) -> torch.Tensor:
    """A linear model's weights after one optimizer step on a batch of 64: shares of 21, 21, 22."""
    spec = small_spec(iterations=1).model_copy(update={"accumulation": turns})
    dataset = load(DATASETS["digits"], LocalStore(root))
    torch.manual_seed(0)
    alone = learner(dataset, spec, linear(), group)
    wrapped = DistributedDataParallel(alone.network) if group.world > 1 else alone.network
    taught = replace(alone, model=wrapped)
    train(taught, range(1), Unheard())
    return taught.network.get_parameter("1.weight").detach()


class Unheard:
    def trained(self, step: int, rate: float, sums: torch.Tensor) -> bool:
        return True

    def validated(self, step: int, sums: torch.Tensor) -> None: ...
    def checkpoint_due(self, step: int) -> None: ...


class Apart(Group):
    """A group whose workers' sums are looked at before they are added."""

    def add(self, sums: torch.Tensor) -> None: ...
    def copy_first(self, tensors: object) -> None: ...


def count(root: Path, group: Group) -> float:
    """Validation images that this worker counts when there are `group.world` of them."""
    dataset = load(DATASETS["digits"], LocalStore(root))
    alone = learner(dataset, small_spec(), linear(), Apart(group.rank, group.world))
    return float(evaluate(alone)[3])


def resumed(root: Path, group: Group) -> None:
    """An undisturbed run, and one that lost all its workers and was resumed.

    It has everything that the workers must agree on: an average, dropout, mixed images, plateaus
    and a low start.
    """

    def averaged(network: nn.Module) -> nn.Module:
        return DistributedDataParallel(
            nn.Sequential(network, nn.Dropout(0.2)),
            forward_sync_buffers=False,
            gradient_as_bucket_view=True,
        )

    recipe = {"mixup": 0.4, "schedule": "plateau", "start_error": 10, "ema_decay": 0.9}
    spec = small_spec(workers=WORLD, iterations=12, checkpoint_every={"steps": 5}, recipe=recipe)
    first, second = order(1, spec), order(2, spec)
    run(first, spec, setting(LocalStore(root / "undisturbed"), first, group, averaged))
    store = LocalStore(root / "resumed")
    mortal = setting(store, first, group, lambda network: Until(averaged(network), 8, kill))
    with pytest.raises(Killed):
        run(first, spec, mortal)
    run(second, spec, setting(store, second, group, averaged))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("group")
    together(share, root, WORLD)
    return root


@pytest.mark.parametrize("turns", [1, 2])
def test_uneven_shares_train_like_one_process(results: Path, turns: int) -> None:
    alone = one_step(results, Group())
    together = torch.load(results / "weights.pt", weights_only=True)[turns]
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_counts_every_image_once_over_all_workers(results: Path, world: int) -> None:
    counted = json.loads((results / "counted.json").read_text())
    assert sum(each.get(str(world), 0) for each in counted) == DATASETS["digits"].val_images


def test_all_workers_hear_the_same_text(results: Path) -> None:
    assert json.loads((results / "told.json").read_text()) == ["first, " * WORLD] * WORLD


def test_three_workers_resume_to_the_bit(results: Path) -> None:
    undisturbed, resumed = LocalStore(results / "undisturbed"), LocalStore(results / "resumed")
    assert small_runs.started(resumed, 2).resumed_step == 5
    assert small_runs.hashes(resumed, 2, 12) == small_runs.hashes(undisturbed, 1, 12)
    counted = small_runs.progress(resumed, 2, 12)
    assert counted == small_runs.progress(undisturbed, 1, 12)
    assert counted.images == 12 * 64


def test_three_workers_write_each_step_of_the_whole_batch_once(results: Path) -> None:
    found = small_runs.points(LocalStore(results / "undisturbed"), 1)
    assert [(point.step, point.images) for point in found] == [(step, 64) for step in range(1, 13)]
