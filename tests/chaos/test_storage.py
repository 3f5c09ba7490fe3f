from pathlib import Path

import pytest

from tests.chaos import storage

pytestmark = [pytest.mark.ray, pytest.mark.long, pytest.mark.timeout(900)]


def test_no_job_fails_and_none_is_changed_when_its_store_is_in_trouble(tmp_path: Path) -> None:
    result = storage.run(tmp_path, n=2, seed=1, say=print, flaky_s=20, away_s=8, names=("resnet8",))
    assert result["violations"] == []
    assert result["failed_requests"]
