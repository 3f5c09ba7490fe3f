"""The object stores that promises are held against: a directory, SeaweedFS, and one that the environment
names (`RESIDUAL_TEST_STORAGE_URL`, with its AWS_… variables)."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from tests.contract.seaweed import BUCKET, environment, seaweed
from trainer.contract.objects.open import Presigning, open_store
from trainer.contract.objects.s3 import S3Store
from trainer.contract.objects.store import ObjectStore

NAMED = "RESIDUAL_TEST_STORAGE_URL"


@pytest.fixture(scope="package")
def seaweed_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as endpoint:
        yield endpoint


@pytest.fixture(scope="package")
def seaweed_store(seaweed_endpoint: str) -> S3Store:
    with patch.dict(os.environ, environment(seaweed_endpoint)):  # read once, as the client is made
        store = open_store(f"s3://{BUCKET}/some/prefix", Presigning())
    assert isinstance(store, S3Store)
    return store


@pytest.fixture(scope="package")
def named_store() -> Iterator[ObjectStore]:
    """Below a prefix of its own, which is emptied afterwards."""
    if NAMED not in os.environ:
        pytest.skip(f"{NAMED} names no store")
    parts = urlsplit(os.environ[NAMED])
    own = f"{parts.path.rstrip('/')}/tests-{secrets.token_hex(8)}"
    store = open_store(parts._replace(path=own).geturl(), Presigning())
    yield store
    for found in list(store.list("")):
        store.delete(found.key)


@pytest.fixture(params=["local", "seaweed", "named"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return open_store(f"file://{tmp_path}/objects")
    found: ObjectStore = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A key of the test's own: a bucket is shared."""
    name = request.node.name.translate(str.maketrans("[]\\/", "----"))
    return f"{name[:100]}-{secrets.token_hex(4)}/object"
