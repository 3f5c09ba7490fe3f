from pathlib import Path

from tests.chaos import corruption


def test_every_damaged_checkpoint_is_found_and_named_and_never_loaded(tmp_path: Path) -> None:
    result = corruption.run(tmp_path, n=40, seed=2, say=print)
    assert result["violations"] == []
    by = result["by"]
    assert isinstance(by, dict)
    assert set(by) == set(corruption.DAMAGES)
