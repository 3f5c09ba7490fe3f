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


@pytest.mark.parametrize(("n", "jobs"), [(6, 2), pytest.param(10, 3, marks=pytest.mark.long)])
def test_jobs_survive_kills_of_everything_around_them(tmp_path: Path, n: int, jobs: int) -> None:
    result = kills.run(
        tmp_path, n=n, seed=3, say=print, jobs=jobs, specs=("resnet8",), pause_s=(0.5, 5.0)
    )
    assert result["violations"] == []
    assert (result["kills"], result["idle_kills"]) == (n, 0)
    assert int(str(result["jobs"])) >= jobs
