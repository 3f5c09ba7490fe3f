"""Evaluations on a real Ray of this machine, by the driver and two workers."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.evaluation.attempts import JOB, order, registered
from tests.training.test_run_on_ray import Cluster
from trainer.contract import attempts, layout
from trainer.contract.analysis import Analysis
from trainer.contract.attempts import Order, Outcome
from trainer.contract.checkpoints import WEIGHTS
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code

pytestmark = pytest.mark.ray


def outcome(cluster: Cluster, store: LocalStore, what: Order) -> Outcome:
    """What stands at the end of the order's attempt."""
    store.put(layout.order(JOB, what.attempt), what.model_dump_json().encode())
    where = ["--store", store.root.as_uri(), "--job", JOB, "--attempt", str(what.attempt)]
    driver = [sys.executable, "-m", "trainer.run", *where]
    subprocess.run(driver, env=cluster.environment, check=True, timeout=150)
    found = attempts.read(store, layout.outcome(JOB, what.attempt), Outcome)
    assert found is not None
    return found


def test_two_workers_evaluate_and_analyse(cluster: Cluster, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    model = registered(store, 0)
    ended = outcome(cluster, store, order(model, workers=2, protocol="10-crop", analyse=True))
    assert ended.status == "succeeded"
    assert (ended.final, ended.best) == (None, None)
    assert ended.evaluation is not None
    assert (ended.evaluation.images, ended.evaluation.views) == (360, 10)
    analysis = Analysis.model_validate_json(store.get(layout.analysis(JOB, 1)))
    assert len(analysis.layers) == 8
    assert Image.open(BytesIO(store.get(layout.analysis_picture(JOB, 1)))).format == "PNG"


def test_a_damaged_model_ends_the_attempt_for_good(cluster: Cluster, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    model = registered(store, 0)
    store.put(f"{model.prefix}/{WEIGHTS}", b"nothing")
    ended = outcome(cluster, store, order(model, workers=1))
    assert ended.status == "failed"
    assert ended.reason is not None
    assert ended.reason.code == Code.MODEL_UNUSABLE
    assert "model-0:3 cannot be used" in ended.reason.message
