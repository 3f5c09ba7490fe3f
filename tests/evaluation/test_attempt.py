"""What an evaluation's attempt leaves behind, and how it ends when a model is not as it should be."""

import logging
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.evaluation.attempts import JOB, now, order, registered, run, setting
from tests.evaluation.candidates import CPU
from trainer.contract import attempts, layout
from trainer.contract.analysis import Analysis
from trainer.contract.attempts import Halt, Started
from trainer.contract.checkpoints import WEIGHTS
from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import EvaluatedModel, Evaluation, Protocol
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import NoSuchObject
from trainer.contract.reasons import Code, reason
from trainer.data.arrays import prepare_split
from trainer.data.load import raw
from trainer.evaluation.version import Unfit, load
from trainer.training.endings import Fenced, Halted
from trainer.training.protocol import ProgressLog
from trainer.training.validation import tally
from trainer.training.worker import run as dispatched


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def evaluated(
    store: LocalStore, *models: EvaluatedModel, protocol: Protocol = "center"
) -> Evaluation:
    ended = run(store, order(*models, protocol=protocol, attempt=_next(store)))
    assert ended.evaluation is not None
    assert (ended.final, ended.best) == (None, None)
    return ended.evaluation


def _next(store: LocalStore) -> int:
    return 1 + sum(1 for entry in store.list(f"jobs/{JOB}/") if entry.key.endswith("started.json"))


def test_the_center_view_counts_what_validation_counts(store: LocalStore) -> None:
    model = registered(store, 0)
    found = evaluated(store, model)
    version = load(store, model.prefix, device=CPU)
    images = prepare_split(raw(DATASETS["digits"], store).val, version.meta.transform)
    logits = version.logits(images.pixels)
    loss = torch.nn.functional.cross_entropy(logits, images.labels, reduction="sum")
    expected, first, five, count = tally(logits, images.labels, loss).tolist()
    assert (found.images, found.views) == (count, 1) == (DATASETS["digits"].val_images, 1)
    assert (found.top1_error, found.top5_error) == (100 * first / count, 100 * five / count)
    assert found.loss == pytest.approx(expected / count, rel=1e-5)


def test_an_ensemble_counts_each_image_once_and_names_its_models(store: LocalStore) -> None:
    models = [registered(store, seed) for seed in (0, 1, 2)]
    found = evaluated(store, *models)
    assert found.models == ("model-0:3", "model-1:3", "model-2:3")
    assert found.images == 360
    alone = [evaluated(store, model).loss for model in models]
    assert (
        found.loss < sum(alone) / 3
    )  # the logarithm of a mean is more than the mean of logarithms


def test_an_ensemble_of_one_model_is_the_model(store: LocalStore) -> None:
    model = registered(store, 0)
    alone, twice = evaluated(store, model), evaluated(store, model, model)
    assert (alone.top1_error, alone.top5_error) == (twice.top1_error, twice.top5_error)
    assert alone.loss == pytest.approx(twice.loss, rel=1e-12)


def test_it_says_what_it_runs_on_and_how_far_it_is(
    store: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "trainer"):
        evaluated(store, registered(store, 0))
    started = attempts.read(store, layout.started(JOB, 1), Started)
    assert started is not None
    assert (started.device, started.precision, started.resumed_step) == ("cpu", "fp32", 0)
    assert "1 models by center on digits; 1 workers on cpu in fp32" in caplog.text
    assert "360 of this worker's 360 images" in caplog.text


def test_progress_is_said_every_few_seconds_and_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seconds = iter([0.0, 2.0, 4.0, 6.0, 8.0])  # at the beginning, and after each batch
    progress = ProgressLog(images=35, timer=lambda: next(seconds))
    with caplog.at_level(logging.INFO, "trainer"):
        for images in (10, 10, 10, 5):
            progress.done(images)
    assert caplog.messages == [
        "30 of this worker's 35 images; 5 images/s",
        "35 of this worker's 35 images; 4 images/s",
    ]


def test_an_attempt_that_was_started_before_does_nothing(store: LocalStore) -> None:
    model = registered(store, 0)
    store.put(layout.started(JOB, 1), b"{}")
    with pytest.raises(Fenced):
        run(store, order(model))


def test_an_evaluation_that_is_asked_to_end_stops_before_its_next_images(
    store: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    what, why = order(registered(store, 0)), reason(Code.CANCELLED_BY_USER, "Asked.")
    at = setting(store)
    at.vigil.halt = Halt(job_id=JOB, attempt=1, reason=why, at=now())
    with caplog.at_level(logging.INFO, "trainer"), pytest.raises(Halted) as halted:
        dispatched(what, at)
    assert halted.value.reason == why
    assert "of this worker's" not in caplog.text


def test_the_kind_of_the_order_decides_what_a_worker_does(store: LocalStore) -> None:
    ended = dispatched(order(registered(store, 0)), setting(store))
    assert ended.evaluation is not None


def test_a_damaged_model_is_unfit_and_named(store: LocalStore) -> None:
    model = registered(store, 0)
    store.put(f"{model.prefix}/{WEIGHTS}", b"nothing")
    with pytest.raises(Unfit, match=r"model-0:3 cannot be used: .* is not what its manifest says"):
        run(store, order(model))


def test_a_missing_model_is_unfit_and_named(store: LocalStore) -> None:
    missing = EvaluatedModel(name="gone", version=7, prefix="models/default/gone/000007")
    with pytest.raises(Unfit, match="gone:7 cannot be used"):
        run(store, order(registered(store, 0), missing))


def test_a_model_of_other_classes_is_unfit(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = DATASETS["digits"]
    more = digits.model_copy(update={"classes": (*digits.classes, "none")})
    model = registered(store, 0)
    what = order(model)
    monkeypatch.setitem(DATASETS, "digits", more)
    with pytest.raises(Unfit, match="model-0:3 knows 10 classes, digits has 11"):
        run(store, what)


def test_an_analysis_lies_in_the_store_as_numbers_and_as_a_picture(store: LocalStore) -> None:
    run(store, order(registered(store, 0), analyse=True))
    found = Analysis.model_validate_json(store.get(layout.analysis(JOB, 1)))
    assert (found.model, found.arch, found.dataset, found.images) == (
        "model-0:3",
        "resnet8",
        "digits",
        360,
    )
    assert [layer.index for layer in found.layers] == list(range(1, 9))
    assert all(layer.response_std > 0 and layer.gradient_norm > 0 for layer in found.layers)
    assert Image.open(BytesIO(store.get(layout.analysis_picture(JOB, 1)))).format == "PNG"


def test_without_being_asked_there_is_no_analysis(store: LocalStore) -> None:
    run(store, order(registered(store, 0)))
    with pytest.raises(NoSuchObject):
        store.get(layout.analysis(JOB, 1))
