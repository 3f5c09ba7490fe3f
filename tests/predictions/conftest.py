"""Networks this small are faster on one thread."""

from pathlib import Path

import pytest
import torch

from tests.training.test_run_on_ray import cluster
from trainer.contract.objects.local import LocalStore

__all__ = ["cluster"]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")
