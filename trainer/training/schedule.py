"""The learning rate as a pure function of the step, so a resumed run needs no state for it."""

from trainer.contract.recipes import Recipe


def learning_rate(recipe: Recipe, step: int, *, iterations: int, steps_per_epoch: int) -> float:
    """Rate of the optimizer step `step`, counted from 0, of a run of `iterations` steps."""
    warm_steps = recipe.warmup_epochs * steps_per_epoch
    warmth = min(1.0, (step + 1) / warm_steps) if warm_steps > 0 else 1.0
    passed = sum(step >= round(mark * iterations) for mark in recipe.milestones)
    return recipe.learning_rate * warmth * recipe.gamma**passed
