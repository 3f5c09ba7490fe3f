from pathlib import Path

import pytest

from tests.chaos import soak
from tests.db.server import installed

pytestmark = [
    pytest.mark.ray,
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(installed() is None, reason="no PostgreSQL: install Debian's postgresql"),
]


def test_kills_under_trainings_a_sweep_and_predictions_lose_nothing(tmp_path: Path) -> None:
    result = soak.run(tmp_path, n=3, seed=1, say=print)
    assert result["violations"] == []
    assert result["kills"]
    assert result["sweeps"] == {"succeeded": 1}
