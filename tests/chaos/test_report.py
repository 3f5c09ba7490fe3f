"""The page about reliability says what was measured, and nothing else."""

from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.__main__ import EXPERIMENTS
from tests.chaos.figures import percentile
from tests.chaos.report import (
    ASKED,
    BEGIN,
    END,
    PAGE,
    Result,
    keep,
    kept,
    table,
    write,
)


def result(name: str, **figures: object) -> Result:
    return Result(
        experiment=name,
        n=2,
        seed=7,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        seconds=60,
        machine="2 × a processor",
        figures=figures,
        violations=[],
    )


def test_every_experiment_has_a_row_and_its_command_on_the_page() -> None:
    page = PAGE.read_text()
    assert set(ASKED) == set(EXPERIMENTS)
    for name, (_, usual) in EXPERIMENTS.items():
        assert f"python -m tests.chaos {name} --n {usual}" in page


def test_the_page_shows_the_newest_results() -> None:
    between = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert between == f"\n{table(kept())}"


def test_the_newest_result_of_an_experiment_counts_and_others_are_not_measured(
    tmp_path: Path,
) -> None:
    page, results = tmp_path / "page.md", tmp_path / "results.json"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    keep(result("cancels", p50_s=3.14159), results)
    keep(result("cancels", p50_s=2.71828, moments={"queued": 2}), results)
    write(page, results)
    said = page.read_text()
    assert said.startswith("before\n")
    assert said.endswith("\nafter\n")
    assert "p50_s 2.7; moments queued 2" in said
    assert "old" not in said
    assert said.count("not measured") == len(ASKED) - 1


def test_a_percentile_is_one_of_what_was_measured() -> None:
    seconds = [float(number) for number in range(1, 101)]
    assert [percentile(seconds, percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([3.0], 50) == percentile([3.0], 99) == 3.0
    assert percentile([], 50) is None
