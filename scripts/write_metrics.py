"""Writes docs/metrics.md from `service.metrics.catalogue`, so that no metric is told twice.

Used by `make docs`; a test compares the page with what this prints.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from service.metrics.catalogue import (
    METRICS,
    MOST_DEPLOYMENTS,
    MOST_JOBS,
    MOST_PROJECTS,
    OTHERS,
    Metric,
)

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"

HEAD = f"""\
# Metrics of the service

Written by `make docs` from `service/metrics/catalogue.py`; a test keeps it so. How to scrape them is in
[observability.md](observability.md); those of serving replicas are in [serving.md](serving.md#metrics).

Who knows a metric: a `replica` for itself (add them up); the `database`, of which every replica shows the
same (take the largest); the `leader`, the one replica that reconciles.

Labels come from closed lists, and what does not is cut off: {MOST_JOBS} jobs that hold resources, each only
while it does; {MOST_PROJECTS} projects in the queue, the others together as `{OTHERS}`; {MOST_DEPLOYMENTS}
deployments. So a scrape stays as large, however many jobs there ever were.

| metric | type | labels | who knows it | meaning |
|---|---|---|---|---|"""


def row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.known_by} | {metric.meaning} |"


def page() -> Iterator[str]:
    yield HEAD
    yield from map(row, METRICS)
    yield (
        "\nBeside these, `process_…` of Prometheus' own client: memory, CPU time and open files of the "
        "replica."
    )


if __name__ == "__main__":
    text = "\n".join(page()) + "\n"
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE} ({len(text.splitlines())} lines)\n")
