"""Networks this small are faster on one thread."""

import pytest
import torch

from tests.training.test_run_on_ray import cluster

__all__ = ["cluster"]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
