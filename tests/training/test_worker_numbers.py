"""Real processes: whatever the number of workers, and however often they are killed, it is the same run.

Sums over workers and turns are added up in another order, so weights agree within floating-point error. Batch
normalisation sees a share at a time: with the same shares it is the same training, and its running
statistics, of which a checkpoint has the first worker's, are those of the shares that this one did.
"""

import json
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.training.small_runs import small_spec
from trainer.contract import checkpoints, layout
from trainer.contract.attempts import MetricPoint
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.local import LocalStore
from trainer.contract.resolve import sized
from trainer.contract.spec import ResolvedSpec
from trainer.data.batches import normalise, pixel_mean
from trainer.data.load import load
from trainer.verify import compare
from trainer.verify.runs import Run, plan

PLAIN = {
    "name": "paper-cifar",
    "crop_padding": 0,
    "learning_rate": 0.02,
    "milestones": [],
    "precision": "fp32",
}
"""No augmentation: an image is known by its pixels. One rate: it does not depend on the length."""
STEPS = 6
SHARES = 6
ELASTIC = small_spec(
    workers={"min": 1, "max": SHARES},
    batch_size=60,
    iterations=STEPS,
    checkpoint_every={"steps": 2},
    input_size=8,
    recipe=PLAIN,
)
RELATIVE, ABSOLUTE = 1e-3, 1e-5
"""Of weights after `STEPS` steps: single-precision sums in another order, and what becomes of that."""


def with_workers(workers: int) -> ResolvedSpec:
    """The same shares, done by so many workers."""
    spec = sized(ELASTIC, workers)
    assert isinstance(spec, ResolvedSpec)
    assert spec.accumulation * workers == SHARES
    return spec


@dataclass(frozen=True)
class Witnessed:
    """Lets each worker of an attempt write down which images it is shown: a line each forward pass."""

    folder: Path
    run: str
    attempt: int = 1

    def file(self, rank: int) -> Path:
        return self.folder / f"{self.run}-{self.attempt}-{rank}.jsonl"

    def __call__(self, network: nn.Module, rank: int) -> nn.Module:
        return Witness(network, self.file(rank))

    def passes(self, rank: int) -> list[list[int]]:
        """Images by their numbers, of each pass but the rehearsal; a line that was cut off is none."""
        if not self.file(rank).exists():
            return []
        lines = self.file(rank).read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")][1:]


class Witness(nn.Module):
    def __init__(self, network: nn.Module, file: Path) -> None:
        super().__init__()
        self.network = network
        self._file = file

    def forward(self, images: Tensor) -> Tensor:
        with self._file.open("a") as file:
            file.write(json.dumps(numbers(images)) + "\n")
        logits: Tensor = self.network(images)
        return logits


def numbers(images: Tensor) -> list[int]:
    """A number for each image, which follows from its pixels."""
    return [zlib.crc32(image.contiguous().numpy().tobytes()) for image in images.detach()]


@dataclass(frozen=True)
class Frozen:
    """Batch normalisation with statistics that stay: no image's result depends on the others'."""

    def __call__(self, network: nn.Module, rank: int) -> nn.Module:
        return WithoutStatistics(network)


class WithoutStatistics(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        logits: Tensor = self.network(images)
        return logits


def weights(run: Run, step: int) -> dict[str, Tensor]:
    """Parameters after a step of the newest attempt, without running statistics."""
    prefix = layout.checkpoint(run.job_id, run.attempt, step)
    tensors = load_file(run.store.root / prefix / checkpoints.WEIGHTS)
    return {
        name: tensor
        for name, tensor in tensors.items()
        if "running" not in name and "num_batches" not in name
    }


def agree(one: Run, other: Run, step: int) -> None:
    expected, found = weights(one, step), weights(other, step)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=RELATIVE, atol=ABSOLUTE)


def trained(run: Run) -> list[MetricPoint]:
    found = compare.points(run.store, run.job_id, run.attempt)
    return [point for point in found if point.split == "train"]


@pytest.fixture(scope="module")
def with_all(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Six shares by three workers."""
    folder = tmp_path_factory.mktemp("numbers")
    run = Run("three", with_workers(3), folder, Witnessed(folder, "three"))
    run.finish()
    return run


def steps_shown(run: Run, workers: int) -> list[list[int]]:
    """Images of each step, whoever saw them, share by share."""
    seen = Witnessed(run.folder, run.job_id)
    turns = SHARES // workers
    by_rank = [seen.passes(rank) for rank in range(workers)]
    return [
        [
            n
            for passes in by_rank
            for share in passes[step * turns : (step + 1) * turns]
            for n in share
        ]
        for step in range(STEPS)
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_with_the_same_shares_any_number_of_workers_is_the_same_training(
    with_all: Run, workers: int
) -> None:
    name = f"by-{workers}"
    run = Run(name, with_workers(workers), with_all.folder, Witnessed(with_all.folder, name))
    run.finish()
    assert steps_shown(run, workers) == steps_shown(with_all, 3)
    agree(with_all, run, STEPS)
    for one, other in zip(trained(with_all), trained(run), strict=True):
        assert (one.step, one.images, one.lr) == (other.step, other.images, other.lr)
        assert other.loss == pytest.approx(one.loss, rel=1e-4)


@pytest.mark.parametrize("then", [1, 2])
def test_a_run_that_changes_its_number_at_a_resume_is_the_same_training(
    with_all: Run, then: int
) -> None:
    run = Run(f"then-{then}", with_workers(3), with_all.folder)
    half = replace(run, spec=run.spec.model_copy(update={"iterations": STEPS // 2}))
    half.finish()
    run.attempt, run.spec = 1, with_workers(then)
    run.finish()
    assert run.resumed_step() == STEPS // 2
    agree(with_all, run, STEPS)
    assert [point.step for point in trained(run)] == list(range(1, STEPS + 1))


def test_where_no_image_depends_on_the_others_any_shares_are_the_same_training(
    tmp_path: Path,
) -> None:
    """One, two and three shares of 62 images, the last ones uneven."""
    runs = []
    for workers in (1, 2, 3):
        spec = small_spec(
            workers=workers, batch_size=62, iterations=STEPS, input_size=8, recipe=PLAIN
        )
        run = Run(f"shares-{workers}", spec, tmp_path, Frozen())
        run.finish()
        runs.append(run)
    agree(runs[0], runs[1], STEPS)
    agree(runs[0], runs[2], STEPS)


EPOCHS = 16
OFTEN = small_spec(
    workers=2,
    batch_size=479,  # a third of the 1437 images: an epoch has all of them
    epochs=EPOCHS,
    iterations=None,
    checkpoint_every={"steps": 2},
    input_size=8,
    recipe=PLAIN,
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.long)])
def test_each_image_is_trained_on_exactly_once_an_epoch_over_kills(
    tmp_path: Path, kills: int
) -> None:
    run = Run("often", OFTEN, tmp_path)
    attempts: list[Witnessed] = []

    def witnessed(do: Callable[[], Any]) -> Any:
        attempts.append(Witnessed(tmp_path, run.job_id, run.attempt + 1))
        run.around = attempts[-1]
        return do()

    planned = plan(kills, OFTEN, seed=7)
    killed = [witnessed(partial(run.disturb, kill)) for kill in planned]
    witnessed(run.finish)
    assert all(killed)
    assert compare.wrong_steps(trained(run), OFTEN.iterations) == []

    shown = shown_by_step(run, attempts)
    assert sorted(shown) == list(range(1, OFTEN.iterations + 1))
    images = all_images(LocalStore(tmp_path / "data"))
    for epoch in range(EPOCHS):
        steps = range(epoch * 3 + 1, epoch * 3 + 4)
        assert Counter(number for step in steps for number in shown[step]) == images


def shown_by_step(run: Run, attempts: list[Witnessed]) -> dict[int, list[int]]:
    """What was shown in the steps that count: of each attempt those up to where its successor began."""
    shown: dict[int, list[int]] = {}
    until = OFTEN.iterations
    for seen in reversed(attempts):
        run.attempt = seen.attempt
        began = run.resumed_step()
        if began is None:
            continue
        by_rank = [seen.passes(rank) for rank in range(OFTEN.workers)]
        for step in range(began + 1, until + 1):
            shown[step] = [n for passes in by_rank for n in passes[step - began - 1]]
        until = min(until, began)
    return shown


def all_images(store: LocalStore) -> Counter[int]:
    """Every training image as the network is shown it."""
    dataset = load(DATASETS["digits"], store, input_size=8)
    mean = pixel_mean(dataset.train)
    return Counter(numbers(normalise(dataset.train.pixels, mean, dataset.transform)))
