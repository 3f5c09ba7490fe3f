from pathlib import Path

import pytest

from tests.chaos import replicas
from tests.db.server import installed

pytestmark = [
    pytest.mark.ray,
    pytest.mark.long,
    pytest.mark.skipif(installed() is None, reason="no PostgreSQL: install Debian's postgresql"),
]


def test_of_two_services_one_goes_on_when_the_other_is_killed_or_frozen(tmp_path: Path) -> None:
    result = replicas.run(tmp_path, n=2, seed=1, say=print)
    assert result["violations"] == []
    assert result["submitted_twice"] == 0
