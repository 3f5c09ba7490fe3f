from pathlib import Path

import pytest

from tests.chaos import database
from tests.db.server import installed

pytestmark = [
    pytest.mark.ray,
    pytest.mark.long,
    pytest.mark.skipif(installed() is None, reason="no PostgreSQL: install Debian's postgresql"),
]


def test_no_job_is_stranded_when_the_database_dies_while_the_service_recovers(
    tmp_path: Path,
) -> None:
    result = database.run(tmp_path, n=2, seed=1, say=print)
    assert result["violations"] == []
    assert result["stranded"] == 0
