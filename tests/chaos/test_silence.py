from pathlib import Path

import pytest

from tests.chaos import silence

pytestmark = [pytest.mark.ray, pytest.mark.long]


def test_a_ray_that_is_silent_or_talks_nonsense_changes_no_job(tmp_path: Path) -> None:
    result = silence.run(tmp_path, n=8, seed=1, say=print)
    assert result["violations"] == []
    assert result["lies"]
