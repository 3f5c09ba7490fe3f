from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.reconcile.world import World
from tests.sweeps.world import SweepWorld
from trainer.contract.objects.local import LocalStore


@pytest.fixture
def swept(sqlite: Engine, tmp_path: Path) -> SweepWorld:
    return SweepWorld(World(sqlite, LocalStore(tmp_path / "store")))
