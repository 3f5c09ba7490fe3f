"""The line on a large cluster, in its short form; in full it is `python -m benchmarks.simulation`."""

from pathlib import Path

from benchmarks.simulation import simulate


def test_a_large_cluster_is_shared_fairly_in_order_and_without_giving_anything_away_twice(
    tmp_path: Path,
) -> None:
    run = simulate(
        tmp_path,
        f"sqlite:///{tmp_path}/residual.db",
        nodes=12,
        count=60,
        projects=2,
        within_s=20,
        seed=1,
        lasts_s=(30, 60),
    )
    assert run.broken(shares_within=0.25) == []  # one gang can be two thirds of so small a cluster
    assert run.used > 0.5
