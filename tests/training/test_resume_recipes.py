"""Whatever a recipe remembers between steps, a killed and resumed run ends with the same bits."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.training.small_runs import (
    JOB,
    Killed,
    Until,
    attempt,
    checkpointer,
    hashes,
    kill,
    order,
    points,
    progress,
    small_spec,
    started,
)
from trainer.contract import layout
from trainer.contract.checkpoints import MODEL_FILES, STATE, TRAINED, WEIGHTS
from trainer.contract.objects.local import LocalStore
from trainer.contract.spec import ResolvedSpec
from trainer.training.resume import newest
from trainer.training.schedule import Progress
from trainer.training.snapshot import read_state

PLATEAU = {"schedule": "plateau", "plateau_epochs": 2, "plateau_margin": 100, "warmup_epochs": 0}
LOW_START = {"name": "paper-cifar", "milestones": [], "start_error": 99.9, "start_rate": 0.001}
MIXED = {"name": "default", "mixup": 0.4, "cutmix": 1.0, "progressive_from": 0.5}


def drop_half(network: nn.Module) -> nn.Module:
    """The network with dropout at its end."""
    return nn.Sequential(network, nn.Dropout(0.5))


def ends_the_same(
    tmp_path: Path, spec: ResolvedSpec, *, killed_in: int, dropout: bool = False
) -> tuple[LocalStore, LocalStore]:
    """Stores with an undisturbed run and one that was killed in a step and resumed."""
    whole, store = LocalStore(tmp_path / "whole"), LocalStore(tmp_path / "killed")
    wrap = drop_half if dropout else nn.Identity()
    last = spec.iterations
    attempt(whole, order(1, spec), wrap)
    with pytest.raises(Killed):
        attempt(store, order(1, spec), lambda network: Until(wrap(network), killed_in, kill))
    attempt(store, order(2, spec), wrap)
    assert 0 < started(store, 2).resumed_step <= killed_in
    assert hashes(store, 2, last) == hashes(whole, 1, last)
    assert progress(store, 2, last) == progress(whole, 1, last)
    return whole, store


def test_with_plateaus(tmp_path: Path) -> None:
    """Epochs of 5 steps; no validation after the first is good enough, so every second one drops."""
    spec = small_spec(batch_size=256, iterations=17, recipe=PLATEAU, input_size=16)
    whole, store = ends_the_same(tmp_path, spec, killed_in=16)
    rates = [point.lr for point in points(whole, 1)]
    assert rates == pytest.approx([0.1] * 15 + [0.01] * 2)
    assert rates[14:] == [point.lr for point in points(store, 2)]
    assert progress(store, 1, 14).since == 1


def test_in_the_middle_of_a_block_of_a_low_start(tmp_path: Path) -> None:
    spec = small_spec(batch_size=16, iterations=56, recipe=LOW_START)
    whole, store = ends_the_same(tmp_path, spec, killed_in=45)
    assert progress(store, 1, 42).images == 42 * 16
    assert progress(whole, 1, 56).started
    rates = [point.lr for point in points(store, 2)]
    assert rates == pytest.approx([0.001] * 8 + [0.1] * 6)


def test_with_mixed_images_that_grow(tmp_path: Path) -> None:
    ends_the_same(tmp_path, small_spec(iterations=18, recipe=MIXED), killed_in=9)


def test_with_dropout(tmp_path: Path) -> None:
    ends_the_same(tmp_path, small_spec(iterations=16), killed_in=11, dropout=True)


def test_dropout_follows_from_the_seed(tmp_path: Path) -> None:
    """A network that drew nothing would pass the test above as well."""
    spec = small_spec(iterations=2)
    for name, wrap in (("with", drop_half), ("without", nn.Identity())):
        attempt(LocalStore(tmp_path / name), order(1, spec), wrap)
    with_dropout, without = (LocalStore(tmp_path / name) for name in ("with", "without"))
    assert points(with_dropout, 1)[0].loss != points(without, 1)[0].loss


def tensors(store: LocalStore, number: int, step: int, name: str) -> dict[str, Tensor]:
    return load_file(store.root / layout.checkpoint(JOB, number, step) / name)


def test_what_is_served_is_the_average_and_what_training_goes_on_with_is_kept_beside_it(
    tmp_path: Path,
) -> None:
    store, spec = LocalStore(tmp_path), small_spec(iterations=3)
    attempt(store, order(1, spec))
    served, trained = (tensors(store, 1, 3, name) for name in (WEIGHTS, TRAINED))
    assert served.keys() == trained.keys()
    assert not any(
        torch.equal(served[name], trained[name]) for name in served if name.endswith("conv1.weight")
    )
    assert TRAINED not in MODEL_FILES
    found = newest(store, order(2, spec), spec).state
    assert found is not None
    assert found.average is not None
    assert all(torch.equal(found.weights[name], trained[name]) for name in trained)
    assert all(torch.equal(found.average[name], served[name]) for name in served)


def test_without_an_average_a_checkpoint_has_no_other_files_than_before(tmp_path: Path) -> None:
    store, spec = LocalStore(tmp_path), small_spec(iterations=1, recipe="paper-cifar")
    attempt(store, order(1, spec))
    assert TRAINED not in hashes(store, 1, 1)


def test_a_checkpoint_without_the_weights_to_train_on_is_passed_over(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    keeping = checkpointer(store)  # without an average
    keeping.save(5, None)
    keeping.land()
    spec = small_spec()
    found = newest(store, order(2, spec), spec)
    assert found.state is None
    assert TRAINED in found.skipped[0]


def test_a_state_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / STATE
    path.write_text(json.dumps({"best": None}))
    assert read_state(path).best is None
    assert read_state(path).progress == Progress()
