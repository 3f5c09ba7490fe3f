"""Steps of each recipe against the same steps written out by hand: to the bit, on a CPU in fp32."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.training.small_runs import CPU, order, setting, small_spec
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.local import LocalStore
from trainer.contract.recipes import Recipe
from trainer.data.batches import Inputs, inputs, train_batch
from trainer.data.dataset import Dataset
from trainer.data.load import load
from trainer.models.build import build
from trainer.training.learner import Learner
from trainer.training.loop import train
from trainer.training.setup import make_learner

STEPS = 3
BATCH = 32
EVERYTHING = {
    "nesterov": True,
    "zero_init": True,
    "schedule": "plateau",
    "warmup_epochs": 0.1,
    "label_smoothing": 0.2,
    "ema_decay": 0.9,
    "mixup": 0.4,
    "cutmix": 1.0,
    "colour_noise": 0.1,
    "shorter_side": [256, 320],
    "progressive_from": 0.5,
}
RECIPES: dict[str, dict[str, Any]] = {
    "paper-cifar": {"name": "paper-cifar"},
    "paper-imagenet": {"name": "paper-imagenet"},
    "default": {"name": "default"},
    "everything": {"name": "default", **EVERYTHING},
    "low-start": {"name": "paper-cifar", "start_error": 80, "start_rate": 0.01},
}
RATES = {
    "paper-cifar": [0.1, 0.1, 0.001],  # half and three quarters of 3 steps are both the second
    "paper-imagenet": [0.1, 0.1, 0.1],
    "default": [0.1 / 44, 0.2 / 44, 0.3 / 44],  # an epoch of 44 steps to warm up
    "everything": [0.1 / 4.4, 0.2 / 4.4, 0.3 / 4.4],
    "low-start": [0.01, 0.01, 0.01],
}


class Heard:
    """Each step's mean loss and rate."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.rates: list[float] = []

    def trained(self, step: int, rate: float, sums: Tensor) -> bool:
        self.losses.append(float(sums[0] / sums[3]))
        self.rates.append(rate)
        return True

    def validated(self, step: int, sums: Tensor) -> None: ...
    def checkpoint_due(self, step: int) -> None: ...


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load(DATASETS["digits"], LocalStore(tmp_path_factory.mktemp("store")))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums over threads would be in another order each time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def learner(digits: Dataset, recipe: dict[str, Any], store: LocalStore) -> Learner:
    spec = small_spec(batch_size=BATCH, iterations=STEPS, recipe={**recipe, "precision": "fp32"})
    return make_learner(spec, digits, setting(store, order(1, spec)))


class ByHand:
    """SGD and its surroundings, as the formulas have them."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        self.network = network
        self.recipe = recipe
        self.velocity: dict[str, Tensor] = {}
        self.average = {name: value.clone() for name, value in network.state_dict().items()}

    def step(self, given: Inputs, rate: float, steps_done: int) -> float:
        """One optimizer step; the mean loss before it."""
        loss = self.loss(given)
        gradients = torch.autograd.grad(loss, list(self.network.parameters()))
        named = dict(self.network.named_parameters())
        with torch.no_grad():
            for (name, weight), gradient in zip(named.items(), gradients, strict=True):
                self.update(name, weight, gradient, rate)
        decay = min(self.recipe.ema_decay, (1 + steps_done) / (10 + steps_done))
        for name, value in self.network.state_dict().items():
            real = value.is_floating_point()
            self.average[name] = (
                torch.lerp(self.average[name], value, 1 - decay) if real else value.clone()
            )
        return loss.item()

    def loss(self, given: Inputs) -> Tensor:
        """The batch's mean cross-entropy with smoothed labels, of both labels of a mixed image."""
        logits: Tensor = self.network(given.images)
        smoothing, classes = self.recipe.label_smoothing, logits.shape[1]

        def cross_entropy(labels: Tensor) -> Tensor:
            log_p = logits.log_softmax(1)
            true = -log_p.gather(1, labels[:, None]).sum()
            if smoothing == 0:
                return true
            return (1 - smoothing) * true + smoothing / classes * -log_p.sum()

        loss = cross_entropy(given.labels)
        if given.partners is not None:
            loss = given.share * loss + (1 - given.share) * cross_entropy(given.partners)
        return loss / len(given.labels)

    def update(self, name: str, weight: Tensor, gradient: Tensor, rate: float) -> None:
        """g ← ∇ + decay · w;  v ← momentum · v + g;  w ← w − rate · v  (Nesterov: g + momentum · v)"""
        recipe = self.recipe
        norm_or_bias = "bn" in name or "norm" in name or name.endswith("bias") or weight.ndim == 1
        if recipe.decay_norm_and_bias or not norm_or_bias:
            gradient = gradient.add(weight, alpha=recipe.weight_decay)
        if name in self.velocity:
            self.velocity[name] = self.velocity[name] * recipe.momentum + gradient
        else:
            self.velocity[name] = gradient.clone()
        velocity = self.velocity[name]
        if recipe.nesterov:
            velocity = gradient.add(velocity, alpha=recipe.momentum)
        weight.add_(velocity, alpha=-rate)


@pytest.mark.parametrize("name", RECIPES)
def test_steps_of_each_recipe_are_those_written_out_by_hand(
    name: str, digits: Dataset, tmp_path: Path
) -> None:
    taught = learner(digits, RECIPES[name], LocalStore(tmp_path))
    spec, recipe = taught.spec, taught.spec.recipe
    network = build(spec.network, spec.classes, zero_init=recipe.zero_init)
    network.load_state_dict(taught.network.state_dict())
    network.to(memory_format=torch.channels_last).train()
    hand = ByHand(network, recipe)

    told = Heard()
    train(taught, range(STEPS), told)
    losses = []
    for step in range(STEPS):
        where: dict[str, int] = {"seed": 0, "step": step, "iterations": STEPS}
        batch = train_batch(digits.train, recipe, **where, batch_size=BATCH, rank=0, world=1)
        given = inputs(batch, taught.pixel_mean, digits.transform, CPU, torch.channels_last)
        losses.append(hand.step(given, told.rates[step], step + 1))

    assert told.rates == pytest.approx(RATES[name])
    assert told.losses == pytest.approx(losses, rel=1e-6)
    for key, value in network.state_dict().items():
        assert torch.equal(taught.network.state_dict()[key], value), key
    if recipe.ema_decay > 0:
        for key, value in taught.result.state_dict().items():
            assert torch.equal(value, hand.average[key]), key
    else:
        assert taught.result is taught.network


def test_weight_decay_may_spare_batch_normalisation_and_biases(
    digits: Dataset, tmp_path: Path
) -> None:
    taught = learner(digits, {"name": "default", "weight_decay": 0.01}, LocalStore(tmp_path))
    names = {parameter: name for name, parameter in taught.network.named_parameters()}
    decays = {
        names[parameter]: group["weight_decay"]
        for group in taught.optimizer.param_groups
        for parameter in group["params"]
    }
    assert set(decays) == set(names.values())
    layers = {
        f"{name}.weight"
        for name, module in taught.network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    assert {name for name, decay in decays.items() if decay == 0.01} == layers
    assert {name for name, decay in decays.items() if decay == 0} == set(decays) - layers
