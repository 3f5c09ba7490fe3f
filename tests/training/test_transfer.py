"""A training that begins with the weights of another one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load
from torch import nn

from tests.training.small_runs import (
    Killed,
    Until,
    attempt,
    hashes,
    kill,
    order,
    points,
    small_spec,
)
from trainer.contract import layout
from trainer.contract.attempts import Order
from trainer.contract.checkpoints import WEIGHTS
from trainer.contract.objects.local import LocalStore
from trainer.contract.spec import ResolvedSpec, ResolvedStart
from trainer.evaluation.version import Unfit
from trainer.models.build import build
from trainer.training.transfer import classifier, take_over

TEACHER = "job-teacher"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """With a teacher of 30 steps."""
    made = LocalStore(tmp_path_factory.mktemp("teacher"))
    attempt(made, Order(job_id=TEACHER, attempt=1, spec=small_spec(), resume_attempts=()))
    return made


def start(*, same: bool = True, step: int = 30) -> ResolvedStart:
    prefix = layout.checkpoint(TEACHER, 1, step)
    return ResolvedStart(name="teacher:1", prefix=prefix, classifier=same)


def pupil(**changes: Any) -> ResolvedSpec:
    return small_spec(iterations=10, seed=7).model_copy(update={"start_from": start(**changes)})


def weights(store: LocalStore) -> dict[str, torch.Tensor]:
    return load(store.get(f"{start().prefix}/{WEIGHTS}"))


def network(spec: ResolvedSpec) -> nn.Module:
    torch.manual_seed(spec.seed)
    return build(spec.network, spec.classes)


def test_a_training_begins_where_its_teacher_ended(store: LocalStore, tmp_path: Path) -> None:
    alone = LocalStore(tmp_path)
    attempt(store, order(spec=pupil()))
    attempt(alone, order(spec=small_spec(iterations=1, seed=7)))
    assert points(store, 1)[0].loss < points(alone, 1)[0].loss - 0.3


def test_all_weights_are_the_teachers(store: LocalStore) -> None:
    taught = network(pupil())
    take_over(store, pupil(), start(), taught)
    for name, weight in taught.state_dict().items():
        assert torch.equal(weight, weights(store)[name])


def test_of_other_classes_the_classifier_begins_anew(store: LocalStore) -> None:
    spec = pupil(same=False)
    fresh, taught = network(spec).state_dict(), network(spec)
    take_over(store, spec, start(same=False), taught)
    own = classifier(spec)
    assert own == {"fc.weight", "fc.bias"}
    for name, weight in taught.state_dict().items():
        assert torch.equal(weight, fresh[name] if name in own else weights(store)[name])


def test_weights_that_are_damaged_or_gone_end_the_attempt_for_good(tmp_path: Path) -> None:
    empty = LocalStore(tmp_path)
    with pytest.raises(Unfit, match=r"teacher:1 cannot be had any more.*submit the job again"):
        attempt(empty, order(spec=pupil()))


def test_weights_of_another_network_are_refused(store: LocalStore) -> None:
    other = small_spec(depth=14).model_copy(update={"start_from": start()})
    with pytest.raises(Unfit, match="are not those of a resnet14"):
        take_over(store, other, start(), network(other))


def test_a_training_that_was_killed_goes_on_from_its_own_checkpoint(tmp_path: Path) -> None:
    """And ends with the bits of one that was not."""
    ends: list[dict[str, str]] = []
    for number, disturbed in enumerate((False, True)):
        each = LocalStore(tmp_path / str(number))
        attempt(each, Order(job_id=TEACHER, attempt=1, spec=small_spec(), resume_attempts=()))
        if disturbed:
            with pytest.raises(Killed):
                attempt(each, order(spec=pupil()), wrap=lambda net: Until(net, 8, kill))
        last = 2 if disturbed else 1
        attempt(each, order(last, pupil()))
        ends.append(hashes(each, last, 10))
    assert ends[0] == ends[1]
