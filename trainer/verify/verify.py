"""The experiment: the same training undisturbed, and killed and resumed. Whoever asks gets a `Verdict`."""

import time
from pathlib import Path

from trainer.contract.spec import ResolvedSpec
from trainer.verify import compare
from trainer.verify.runs import Run, Say, disturbed, plan
from trainer.verify.verdict import Verdict


def verify(spec: ResolvedSpec, folder: Path, *, kills: int, seed: int, say: Say) -> Verdict:
    """Do both runs of `spec` in `folder`, the second with `kills` kills. Raises Failed."""
    whole = Run("undisturbed", spec, folder)
    undisturbed_seconds = whole.finish()
    say(f"undisturbed: {spec.iterations} steps in {undisturbed_seconds:.1f} s")
    began = time.monotonic()
    run = Run("disturbed", spec, folder)
    done = disturbed(run, plan(kills, spec, seed), say)
    seconds = time.monotonic() - began
    store = run.store
    last = compare.last_step(store, whole.job_id, whole.attempt)
    compared = compare.compare(
        compare.left(store, whole.job_id, whole.attempt),
        compare.left(store, run.job_id, run.attempt),
    )
    wrong = [f"the {each.name} differ" for each in compared if not each.same]
    found = compare.points(store, run.job_id, run.attempt)
    wrong += [f"of the disturbed run {words}" for words in compare.wrong_steps(found, last)]
    if len(done) < kills:
        wrong.append(f"only {len(done)} of {kills} kills came before the end")
    resumed = run.resumed_step() or 0
    steps_done = sum(each.step - (each.resumed_step or 0) for each in done) + last - resumed
    return Verdict(
        what=described(spec),
        kills=tuple(done),
        compared=tuple(compared),
        wrong=tuple(wrong),
        steps=last,
        steps_done=steps_done,
        seconds=seconds,
        undisturbed_seconds=undisturbed_seconds,
    )


def described(spec: ResolvedSpec) -> str:
    """A training in a line."""
    shortcut = f" {spec.shortcut}" if spec.shortcut else ""
    workers = f"{spec.workers} worker{'s' * (spec.workers != 1)}"
    return (
        f"{spec.arch}{shortcut} on {spec.dataset}, {spec.recipe.name}, {workers}, "
        f"{spec.iterations} steps of {spec.batch_size} images, a checkpoint every {spec.checkpoint_steps}"
    )
