from pathlib import Path

import pytest

from tests.chaos import nodes
from tests.hosts.network import unable

pytestmark = [
    pytest.mark.ray,
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(unable() is not None, reason=str(unable())),
]


def test_a_training_over_two_hosts_survives_the_end_of_one_and_comes_to_the_same_weights_as_on_one(
    tmp_path: Path,
) -> None:
    # The experiment's own limit is that of a machine that does nothing else meanwhile.
    result = nodes.run(tmp_path, n=1, seed=1, say=print, parts=("kill",), within_s=150)
    assert result["violations"] == []
    assert result["same_weights"] == 1


def test_two_replicas_are_on_two_hosts_and_the_loss_of_one_is_not_that_of_the_model(
    tmp_path: Path,
) -> None:
    result = nodes.run(tmp_path, n=1, seed=1, say=print, parts=("serve",))
    assert result["violations"] == []
    assert result["served_by"] == [2]


def test_the_trials_of_a_sweep_train_on_several_hosts_with_a_bucket_as_store(
    tmp_path: Path,
) -> None:
    result = nodes.run(tmp_path, n=1, seed=1, say=print, parts=("sweep",))
    assert result["violations"] == []
    assert result["trials_on"] in {2, 3}
