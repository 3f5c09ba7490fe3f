"""Results of experiments in docs/reliability.json, and the table of docs/reliability.md made of them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from benchmarks.machine import header

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = DOCS / "reliability.json"
PAGE = DOCS / "reliability.md"
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"

ASKED = {
    "kills": "processes killed at random under jobs of two workers",
    "crash-points": "each crash point, so many times",
    "database": "the database killed while the service recovers",
    "idempotency": "keys, each sent by 8 clients at once, the API killed in between",
    "cancels": "cancels at random moments, also of stopped processes",
    "zombies": "attempts stopped beyond their lease, then let go on",
    "silence": "seconds of a Ray that is silent, then one that talks nonsense",
    "recovery": "kills each of the API, a worker, all of Ray",
    "replicas": "programs on one database, the leading one killed or frozen",
    "saving": "processes killed inside the saving of a checkpoint",
    "corruption": "damaged checkpoints, up to four of a job at once",
    "storage": "kills of the object store; then 10 min of 5 % failed requests, and 1 min of all",
    "images": "damaged image files, sent in every form that is taken",
    "sweep": "kills of the search, of drivers and workers of trials, in a sweep of 16",
    "versions": "changes of a deployed version under requests, 20 replicas of 50 changes killed",
    "predictions": "kills of workers, driver and API under predictions of 10,000 images",
    "soak": "minutes of trainings, sweeps and predictions, one kill a minute",
    "nodes": "nodes killed, cut off and added, each, of a Ray on three hosts",
    "partitions": "minutes in which API and Ray, API and database, nodes and store are apart, each",
}


class Result(BaseModel, frozen=True, use_attribute_docstrings=True):
    """One run of an experiment."""

    experiment: str
    n: int
    seed: int
    at: datetime
    seconds: int
    """That it took."""
    machine: str
    """Hardware and versions."""
    figures: dict[str, Any]
    violations: list[str]
    """Broken promises."""

    @classmethod
    def of(
        cls, experiment: str, n: int, seed: int, figures: dict[str, object], *, seconds: float
    ) -> "Result":
        measured = {name: value for name, value in figures.items() if name != "violations"}
        return cls(
            experiment=experiment,
            n=n,
            seed=seed,
            at=datetime.now(UTC),
            seconds=round(seconds),
            machine=header().partition("; ")[2],
            figures=measured,
            violations=list(map(str, figures["violations"])),  # type: ignore[call-overload]
        )


ALL = TypeAdapter(list[Result])


def kept(path: Path = RESULTS) -> list[Result]:
    """All results, oldest first."""
    return ALL.validate_json(path.read_bytes()) if path.exists() else []


def keep(result: Result, path: Path = RESULTS) -> None:
    path.write_bytes(ALL.dump_json([*kept(path), result], indent=2) + b"\n")


def write(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Put the table between the page's two markers."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table(kept(results))}{END}{after}")


def table(results: list[Result]) -> str:
    """The newest result of each experiment with each seed, and the machines it was measured on."""
    newest = {(result.experiment, result.seed): result for result in results}
    machines = sorted({result.machine for result in newest.values()})
    lines = [
        "| experiment | n | seed | figures | broken promises | on | date |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, asked in ASKED.items():
        of_it = [result for result in newest.values() if result.experiment == name]
        found = sorted(of_it, key=lambda result: result.seed)
        lines += [row(f"`{name}`: {asked}", result, machines) for result in found]
        if not found:
            lines.append(f"| `{name}`: {asked} | | | not measured | | | |")
    lines += ["", *(f"[{number}] {machine}\\" for number, machine in enumerate(machines, 1))]
    return "\n".join(lines).rstrip("\\") + "\n"


def row(what: str, result: Result, machines: list[str]) -> str:
    """Of the table."""
    figures = "; ".join(f"{key} {shown(value)}" for key, value in result.figures.items())
    where = f"[{machines.index(result.machine) + 1}]"
    cells = (
        what,
        result.n,
        result.seed,
        figures,
        len(result.violations),
        where,
        f"{result.at:%Y-%m-%d}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def shown(value: object) -> str:
    """A figure in a cell."""
    match value:
        case dict():
            return ", ".join(f"{name} {shown(each)}" for name, each in value.items()) or "none"
        case list() | tuple():
            return ", ".join(map(shown, value)) or "none"
        case float():
            return f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}"
        case _:
            return str(value).replace("|", "\\|")
