"""The learning rate: a pure function of the step and of a small state that follows from the errors.

The loop asks a `LearningRate` before each step and tells it the errors; checkpoints keep its `Progress`.
"""

from dataclasses import dataclass, field
from math import cos, pi

import torch
from pydantic import BaseModel
from torch import Tensor

from trainer.contract.recipes import Recipe
from trainer.contract.spec import ResolvedSpec
from trainer.training.group import Group

BLOCK = 50
"""Optimizer steps over which a low start measures the training error."""


class Progress(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What the learning rate depends on besides the step. The same on every worker."""

    drops: int = 0
    """Plateaus so far."""
    lowest: float | None = None
    """Validation top-1 error in percent that the next one has to beat; None before the first."""
    since: int = 0
    """Validations in a row that did not."""
    started: bool = False
    """The low start is over. Means nothing to a recipe without one."""
    wrong: float = 0
    """Training images that were guessed wrong in the low start's block so far, over all workers."""
    images: float = 0
    """Training images in that block so far."""


def learning_rate(
    recipe: Recipe, step: int, progress: Progress, *, iterations: int, steps_per_epoch: int
) -> float:
    """Rate of the optimizer step `step`, counted from 0, of a run of `iterations` steps."""
    if starts_low(recipe, progress):
        return recipe.start_rate
    warm_steps = recipe.warmup_epochs * steps_per_epoch
    warmth = min(1.0, (step + 1) / warm_steps) if warm_steps > 0 else 1.0
    match recipe.schedule:
        case "steps":
            passed = sum(step >= round(mark * iterations) for mark in recipe.milestones)
            left = recipe.gamma**passed
        case "plateau":
            left = recipe.gamma**progress.drops
        case "cosine":
            cooled = max(0.0, step - warm_steps) / max(1.0, iterations - warm_steps)
            left = (1 + cos(pi * cooled)) / 2
    return recipe.learning_rate * warmth * left


def starts_low(recipe: Recipe, progress: Progress) -> bool:
    """Whether the rate still is the one that very deep networks start with (section 4.2)."""
    return recipe.start_error > 0 and not progress.started


def after_block(recipe: Recipe, progress: Progress) -> Progress:
    """The low start after the last step of a block; the next block counts anew."""
    error = 100 * progress.wrong / progress.images
    started = error < recipe.start_error
    return progress.model_copy(update={"started": started, "wrong": 0, "images": 0})


def after_validation(recipe: Recipe, progress: Progress, error: float) -> Progress:
    """The plateau after a validation with the top-1 error `error` in percent."""
    if progress.lowest is None or error < progress.lowest - recipe.plateau_margin:
        return progress.model_copy(update={"lowest": error, "since": 0})
    since = progress.since + 1
    if since < recipe.plateau_epochs:
        return progress.model_copy(update={"since": since})
    return progress.model_copy(update={"drops": progress.drops + 1, "since": 0})


@dataclass
class LearningRate:
    """The rate of a run as it goes on. Every worker has one, and all of them agree."""

    spec: ResolvedSpec
    group: Group
    progress: Progress = field(default_factory=Progress)
    """Without what the block has counted since it was set: `now` has that too."""
    _block: Tensor | None = None
    """(2,) float64 on the device: wrong, images. None before the block's first step here."""

    def at(self, step: int) -> float:
        """Of the optimizer step `step`, counted from 0."""
        spec = self.spec
        return learning_rate(
            spec.recipe,
            step,
            self.progress,
            iterations=spec.iterations,
            steps_per_epoch=spec.steps_per_epoch,
        )

    def trained(self, done: int, sums: Tensor) -> None:
        """`done` steps are done; `sums` is this worker's `tally` of the last. Waits for the device
        once a block, and only in a low start."""
        if not starts_low(self.spec.recipe, self.progress):
            return
        counted = sums[1::2].clone()
        self.group.add(counted)
        self._block = self._counted(counted.device) + counted
        if done % BLOCK == 0:
            self.progress = after_block(self.spec.recipe, self.now())
            self._block = None

    def validated(self, sums: Tensor) -> None:
        """`sums` is the tally over all validation images."""
        if self.spec.recipe.schedule == "plateau":
            _, wrong, _, images = sums.tolist()
            self.progress = after_validation(self.spec.recipe, self.progress, 100 * wrong / images)

    def now(self) -> Progress:
        """The state after the last step, whole."""
        if self._block is None:
            return self.progress
        wrong, images = self._block.tolist()
        return self.progress.model_copy(update={"wrong": wrong, "images": images})

    def _counted(self, device: torch.device) -> Tensor:
        if self._block is not None:
            return self._block
        begun = (self.progress.wrong, self.progress.images)
        return torch.tensor(begun, dtype=torch.float64, device=device)
