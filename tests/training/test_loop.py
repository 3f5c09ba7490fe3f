"""The loop without Ray and without a store."""

from copy import deepcopy
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from tests.training.small_runs import learner, linear, small_spec
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.local import LocalStore
from trainer.data.dataset import Dataset
from trainer.data.load import load
from trainer.models.guided import Guided
from trainer.training.loop import rehearse, train
from trainer.training.validation import evaluate, tally

EVERYTHING = {"start_error": 80, "mixup": 0.4, "cutmix": 1, "progressive_from": 0.5}


@dataclass
class Notes:
    """Writes down what the loop says."""

    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    validated_at: list[int] = field(default_factory=list)
    checkpoints: list[int] = field(default_factory=list)

    def trained(self, step: int, rate: float, sums: Tensor) -> bool:
        self.losses.append(float(sums[0] / sums[3]))
        self.rates.append(rate)
        assert step == len(self.losses)
        return True

    def validated(self, step: int, sums: Tensor) -> None:
        self.validated_at.append(step)

    def checkpoint_due(self, step: int) -> None:
        self.checkpoints.append(step)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load(DATASETS["digits"], LocalStore(tmp_path_factory.mktemp("store")))


def test_the_loop_lowers_the_loss(digits: Dataset) -> None:
    recipe = {"name": "paper-cifar", "crop_padding": 0, "milestones": [0.9]}
    spec = small_spec(iterations=44, recipe=recipe)
    notes = Notes()
    train(learner(digits, spec), range(44), notes)
    assert sum(notes.losses[-5:]) < 0.6 * sum(notes.losses[:5])


def test_the_loop_evaluates_after_epochs_and_keeps_checkpoints_when_due(digits: Dataset) -> None:
    spec, notes = small_spec(recipe="paper-cifar"), Notes()
    train(learner(digits, spec, linear()), range(30), notes)
    assert notes.rates == pytest.approx([0.1] * 15 + [0.01] * 7 + [0.001] * 8)
    assert notes.validated_at == [22, 30]
    assert notes.checkpoints == [7, 14, 21, 28, 30]


def test_evaluation_counts_every_image_once(digits: Dataset) -> None:
    loss, first, five, images = evaluate(learner(digits, small_spec())).tolist()
    assert images == len(digits.val) == 360
    assert 0 < five < first <= images
    assert loss > 0


def test_a_rehearsal_leaves_no_trace(digits: Dataset) -> None:
    rehearsed = learner(digits, small_spec())
    fresh = learner(digits, small_spec())
    rehearse(rehearsed, 3)
    assert all(parameter.grad is None for parameter in rehearsed.network.parameters())
    pairs = zip(
        rehearsed.network.state_dict().values(), fresh.network.state_dict().values(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_tally_counts_first_and_fifth_guesses() -> None:
    logits = torch.tensor([[6.0, 5, 4, 3, 2, 1]] * 3)  # guesses 0, 1, 2, 3, 4 in this order
    sums = tally(logits, torch.tensor([0, 4, 5]), torch.tensor(1.5))
    assert sums.tolist() == [1.5, 2, 1, 3]


def test_with_three_classes_all_are_within_the_first_five() -> None:
    sums = tally(torch.tensor([[3.0, 2, 1]]), torch.tensor([2]), torch.tensor(0.0))
    assert sums.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("recipe", ["default", "paper-cifar", EVERYTHING], ids=str)
def test_a_step_never_waits_for_the_device(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch, recipe: object
) -> None:
    """Reading a number from a tensor stops a GPU's queue; only the observer may."""
    spec = small_spec(iterations=2, checkpoint_every={"steps": 2}, recipe=recipe)
    taught = learner(digits, spec)

    class Silent(Notes):
        def trained(self, step: int, rate: float, sums: Tensor) -> bool:
            return True

    def read(self: Tensor) -> None:
        raise AssertionError("the loop read a tensor")

    for name in ("item", "tolist", "__float__", "__int__", "__bool__"):
        monkeypatch.setattr(Tensor, name, read)
    train(taught, range(2), Silent())


def test_what_is_evaluated_is_the_average(digits: Dataset) -> None:
    spec = small_spec(recipe={"ema_decay": 0.99})
    averaged = learner(digits, spec, linear())
    train(averaged, range(3), Notes())
    assert averaged.average is not None
    assert averaged.result is averaged.average.network
    alone = learner(digits, small_spec(recipe="paper-cifar"), averaged.average.network)
    assert torch.equal(evaluate(averaged), evaluate(alone))
    trained = learner(digits, small_spec(recipe="paper-cifar"), averaged.network)
    assert not torch.equal(evaluate(averaged), evaluate(trained))


class Guiding(nn.Module):
    """A linear model with two auxiliary classifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.first, self.second = linear(), linear(), linear()

    def forward(self, images: Tensor) -> Tensor | Guided:
        logits: Tensor = self.main(images)
        if not self.training:
            return logits
        return Guided(logits, (self.first(images), self.second(images)), 0.5)


def test_auxiliary_classifiers_are_trained_and_neither_evaluated_nor_reported(
    digits: Dataset,
) -> None:
    spec = small_spec(iterations=3, recipe="paper-cifar")
    torch.manual_seed(0)
    network = Guiding()
    before = deepcopy(network)
    guided, notes = learner(digits, spec, network), Notes()
    train(guided, range(3), notes)
    alone, same = learner(digits, spec, before.main), Notes()
    train(alone, range(3), same)
    assert notes.losses == same.losses
    assert torch.equal(evaluate(guided), evaluate(alone))
    for name in ("first", "second"):
        trained, fresh = (net.get_parameter(f"{name}.1.weight") for net in (network, before))
        assert not torch.equal(trained, fresh)
