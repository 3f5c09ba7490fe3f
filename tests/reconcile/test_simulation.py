"""The line on a large cluster, in its short form; in full it is `python -m benchmarks.simulation`."""

from pathlib import Path

from benchmarks.simulation import simulate


def test_a_large_cluster_is_shared_fairly_in_order_and_without_giving_anything_away_twice(
    tmp_path: Path,
) -> None:
    run = simulate(
        tmp_path,
        f"sqlite:///{tmp_path}/residual.db",
        nodes=16,
        count=150,
        projects=2,
        within_s=20,
        seed=1,
        lasts_s=(20, 60),
    )
    assert run.shares  # there was a time in which both waited
    assert run.broken() == []
    assert run.used > 0.5
