"""The long experiment in short: `python -m tests.chaos kills` is the same with more of it."""

from pathlib import Path

import pytest

from tests.chaos import kills
from tests.db.server import installed

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(900),
    pytest.mark.skipif(installed() is None, reason="no PostgreSQL: install Debian's postgresql"),
]


def test_jobs_survive_kills_of_everything_around_them(tmp_path: Path) -> None:
    result = kills.run(
        tmp_path, n=10, seed=3, say=print, jobs=3, specs=("resnet8",), pause_s=(0.5, 5.0)
    )
    assert result["violations"] == []
    assert (result["kills"], result["idle_kills"]) == (10, 0)
    assert int(str(result["jobs"])) >= 3
