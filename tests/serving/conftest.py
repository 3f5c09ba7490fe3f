"""One world for the tests of predictions; others have their own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from service.deployments.known import Known
from service.inference.service import Inference
from service.predict.service import Predictor
from service.predict.ways import Ways
from tests.api.conftest import serving
from tests.serving.replicas import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving(tmp_path) as service:
        made = World(service)
        replicas = Ways(
            httpx.AsyncClient(base_url="http://serve", transport=httpx.MockTransport(made.replica))
        )
        parts = service.parts
        known = Known(parts.deployments.store)
        predictor = Predictor(known, parts.models, replicas, lambda: made.dice)
        service.app.state.parts = replace(
            service.parts,
            predictor=predictor,
            inference=Inference(service.parts.deployments, predictor),
        )
        made.register("digits", 1, 2)
        made.deploy("digits", 1, serving=1)
        yield made
