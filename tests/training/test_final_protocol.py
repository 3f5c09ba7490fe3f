"""A training that was asked for a protocol ends with an evaluation by it."""

from datetime import UTC, datetime
from pathlib import Path

import torch

from tests.training.small_runs import CPU, JOB, attempt, order, small_spec
from trainer.contract import layout
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.local import LocalStore
from trainer.data.arrays import prepare_split
from trainer.data.load import raw
from trainer.evaluation.scores import Candidate
from trainer.evaluation.version import load
from trainer.training.group import Group
from trainer.training.protocol import evaluate

SPEC = small_spec(protocol="10-crop", iterations=10)


def test_a_training_ends_with_an_evaluation_of_what_it_kept(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    ended = attempt(store, order(spec=SPEC))
    kept = load(store, layout.checkpoint(JOB, 1, SPEC.iterations), device=CPU)
    split = raw(DATASETS["digits"], store, clock=lambda: datetime.now(UTC)).val
    images = prepare_split(split, kept.meta.transform)
    by_hand = evaluate(
        [Candidate(kept.network, kept.pixel_mean, kept.meta.transform, images)],
        protocol="10-crop",
        dataset="digits",
        batch_size=64,
        precision="fp32",
        group=Group(),
    )
    assert ended.evaluation is not None
    assert (ended.evaluation.images, ended.evaluation.views) == (360, 10)
    assert ended.evaluation.models == ()
    torch.testing.assert_close(ended.evaluation.loss, by_hand.loss, rtol=1e-2, atol=0)
    assert abs(ended.evaluation.top1_error - by_hand.top1_error) < 1  # bf16 where the CPU has it


def test_one_that_was_not_asked_has_its_center_view_only(tmp_path: Path) -> None:
    ended = attempt(LocalStore(tmp_path), order(spec=small_spec(iterations=2)))
    assert ended.evaluation is None
    assert ended.final is not None
