from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.reconcile.world import World
from trainer.contract.objects.local import LocalStore


@pytest.fixture
def world(sqlite: Engine, tmp_path: Path) -> World:
    return World(sqlite, LocalStore(tmp_path / "store"))
