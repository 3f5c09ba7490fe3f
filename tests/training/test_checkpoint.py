"""Which checkpoints are kept, what is in them, and who may not write one."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.training.small_runs import (
    JOB,
    Until,
    attempt,
    checkpointer,
    kept_steps,
    linear,
    measured,
    order,
    points,
    small_spec,
)
from tests.waiting import until
from trainer.contract import attempts, checkpoints, layout, manifest
from trainer.contract.attempts import Best, Outcome
from trainer.contract.checkpoints import GOLDEN, MODEL_FILES, PREPROCESS, WEIGHTS
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import StoreUnavailable
from trainer.contract.spec import KeepCheckpoints
from trainer.data.batches import normalise
from trainer.models.build import build
from trainer.training.checkpoint import LATE_S
from trainer.training.endings import Diverged, Ended, Fenced


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalStore, Ended]:
    """One epoch of 22 steps and a bit."""
    store = LocalStore(tmp_path_factory.mktemp("store"))
    return store, attempt(store, order(1, small_spec(iterations=24)))


def test_the_best_and_the_last_two_are_kept(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    keeping = checkpointer(store)
    errors = {10: 30.0, 15: None, 20: 10.0, 25: None, 30: 20.0, 35: None, 40: 15.0}
    for step, error in errors.items():
        keeping.save(step, None if error is None else measured(step, error))
    keeping.land()
    assert kept_steps(store, 1) == [20, 35, 40]
    assert keeping.best is not None
    assert keeping.best.step == 20
    folders = {found.key.split("/")[4] for found in store.list(f"{layout.checkpoints(JOB, 1)}/")}
    assert folders == {"0000000020", "0000000035", "0000000040"}


def test_so_many_stay_as_the_spec_says(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    keeping = checkpointer(store, keep=KeepCheckpoints(best=3, last=1))
    for step, error in {10: 20.0, 20: 10.0, 30: 30.0, 40: 20.0, 50: 40.0, 60: 25.0}.items():
        keeping.save(step, measured(step, error))
    keeping.land()
    assert kept_steps(store, 1) == [10, 20, 40, 60]
    assert keeping.best is not None
    assert keeping.best.step == 20


def test_of_equal_checkpoints_the_earlier_is_the_best(tmp_path: Path) -> None:
    keeping = checkpointer(LocalStore(tmp_path))
    for step in (10, 20):
        keeping.save(step, measured(step, 30.0))
    keeping.land()
    assert keeping.best is not None
    assert keeping.best.step == 10


def test_an_attempt_keeps_the_best_of_those_before_it(tmp_path: Path) -> None:
    keeping = checkpointer(LocalStore(tmp_path), number=2)
    keeping.best = Best(attempt=1, step=5, metrics=measured(5, 10.0))
    keeping.save(20, measured(20, 30.0))
    keeping.land()
    assert (keeping.best.attempt, keeping.best.step) == (1, 5)


def test_weights_that_are_not_numbers_are_never_kept(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    network = linear()
    nn.init.constant_(network.get_parameter("1.bias"), torch.inf)
    keeping = checkpointer(store, network=network)
    keeping.save(10, None)
    with pytest.raises(Diverged):
        keeping.land()
    assert kept_steps(store, 1) == []


def test_a_server_can_replay_the_golden_batch(
    finished: tuple[LocalStore, Ended], tmp_path: Path
) -> None:
    store, _ = finished
    found = checkpoints.read(store, layout.checkpoint(JOB, 1, 24))
    files = manifest.fetch(store, found.prefix, found.manifest, tmp_path)
    assert set(MODEL_FILES) <= set(files)
    network = build(found.meta.architecture, len(found.meta.class_names)).eval()
    network.load_state_dict(load_file(files[WEIGHTS]))
    golden = load_file(files[GOLDEN])
    mean = load_file(files[PREPROCESS])["pixel_mean"]
    assert golden["images"].shape == (16, 3, 32, 32)
    assert golden["images"].dtype == torch.uint8
    with torch.inference_mode():
        logits = network(normalise(golden["images"], mean, found.meta.transform))
    torch.testing.assert_close(logits, golden["logits"])


def test_a_checkpoint_says_what_it_is_of(finished: tuple[LocalStore, Ended]) -> None:
    store, ended = finished
    meta = checkpoints.read(store, layout.checkpoint(JOB, 1, 24)).meta
    assert (meta.job_id, meta.attempt, meta.step, meta.epoch) == (JOB, 1, 24, 2)
    assert meta.metrics == ended.final
    assert meta.class_names == tuple("0123456789")
    assert meta.architecture.name == "resnet8"
    assert meta.dataset_fingerprint is not None
    assert len(meta.dataset_fingerprint) == 64


def test_an_attempt_that_was_given_up_commits_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    closed = Outcome(job_id=JOB, attempt=1, status="given_up", at=datetime.now(UTC))
    attempts.commit_outcome(store, closed)
    with pytest.raises(Fenced):
        attempt(store, order())
    assert kept_steps(store, 1) == []


def test_a_second_process_of_an_attempt_stops_before_its_first_step(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    spec = small_spec(iterations=2)
    attempt(store, order(1, spec))
    with pytest.raises(Fenced):
        attempt(store, order(1, spec))


def test_a_loss_that_is_not_a_number_ends_the_run_and_names_the_step(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)

    def poison(logits: Tensor) -> Tensor:
        return logits * torch.nan

    with pytest.raises(Diverged) as caught:
        attempt(store, order(), lambda network: Until(network, 9, poison))
    assert caught.value.step == 10
    assert [point.step for point in points(store, 1)] == list(range(1, 10))
    assert kept_steps(store, 1) == [7]


@dataclass(frozen=True)
class Away(LocalStore):
    """A store that takes no manifest until it is back."""

    asked: Event = field(default_factory=Event)
    back: Event = field(default_factory=Event)

    def create(self, key: str, data: bytes) -> None:
        if not self.back.is_set():
            self.asked.set()
            raise StoreUnavailable("it is away")
        super().create(key, data)


def test_training_goes_on_while_a_checkpoint_waits_for_its_store(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, now = Away(tmp_path), [0.0]
    keeping = checkpointer(store)
    keeping.timer = lambda: now[0]
    keeping.save(10, None)
    now[0] += LATE_S + 1
    keeping.save(20, None, needed=False)  # returns at once
    until(store.asked.is_set, within_s=10)
    store.back.set()
    keeping.save(30, None)  # waits
    keeping.land()
    assert kept_steps(store, 1) == [10, 30]
    assert "no checkpoint of step 20" in caplog.text
    assert re.search(r"step 10 was stored after \d+ failed tries", caplog.text)


class Flaky(LocalStore):
    """A store whose answer to one write of a manifest is lost after it was written."""

    def create(self, key: str, data: bytes) -> None:
        existed = (self.root / key).exists()
        super().create(key, data)
        if key.endswith(manifest.MANIFEST) and not existed:
            raise StoreUnavailable("the answer was lost")


def test_a_checkpoint_whose_confirmation_was_lost_is_there_once(tmp_path: Path) -> None:
    store = Flaky(tmp_path)
    attempt(store, order(1, small_spec(iterations=2)))
    assert kept_steps(store, 1) == [2]
