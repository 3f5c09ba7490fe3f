"""Promises of the documents about metrics: what they say of the code is so."""

from pathlib import Path

from scripts.write_metrics import page

ROOT = Path(__file__).parents[2]


def test_the_list_of_metrics_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == "\n".join(page()) + "\n", "run `make docs`"
