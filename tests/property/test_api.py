"""The API against a model of its contract: RESIDUAL_PROPERTY_STEPS says how many steps (default 300)."""

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.machine import Api

STEPS_A_LIFE = 50
SHORT = 300


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A line for each request would be hundreds of thousands."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()


@pytest.mark.timeout(7200)
def test_the_service_does_what_its_contract_says_whatever_happens_in_whatever_order() -> None:
    steps = int(os.environ.get("RESIDUAL_PROPERTY_STEPS", SHORT))
    document: dict[str, Any] = {}

    class Life(Api):
        def __init__(self) -> None:
            super().__init__(document)

    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=max(1, steps // STEPS_A_LIFE),
            stateful_step_count=STEPS_A_LIFE,
            derandomize=steps == SHORT,  # the long form tries others each time
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            # Finding a shorter life with the same end takes minutes.
            phases=[
                Phase.generate,
                *([Phase.shrink] if "RESIDUAL_PROPERTY_SHRINK" in os.environ else []),
            ],
        ),
    )
