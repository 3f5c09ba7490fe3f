from pathlib import Path

from tests.chaos import saving


def test_a_training_that_is_killed_while_saving_goes_on_from_whole_checkpoints(
    tmp_path: Path,
) -> None:
    result = saving.run(tmp_path, n=4, seed=1, say=print)
    assert result["violations"] == []
    assert (result["kills"], result["jobs"]) == (4, 2)
