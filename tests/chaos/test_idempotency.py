from pathlib import Path

import pytest

from tests.chaos import idempotency

pytestmark = pytest.mark.ray


def test_a_key_makes_one_job_however_often_it_is_sent_and_the_api_killed(tmp_path: Path) -> None:
    result = idempotency.run(tmp_path, n=20, seed=1, say=print)
    assert result["violations"] == []
    assert (result["jobs"], result["kills"]) == (20, 2)
