"""`residual sweep`: submits a sweep, shows how its trials are, and prints its report."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import sweep_plan
from service.cli.client import Client, JobId, Url, connect
from service.cli.failure import CommandFailed
from service.cli.watch import ENDED
from service.cli.workers import Workers, meant

LOOK_EVERY_S = 2.0
PICTURES = ("curves", "depth")
LAYERS = "responses"
"""The picture of a sweep that has looked into its networks."""
HEAD = ("number", "what", "state", "epoch", "lowest", "job")
ROW = "{number:>5}  {what:<40} {state:<10} {epoch:>9} {lowest:>8}  {job}"

Output = Annotated[
    Path | None,
    typer.Option(help="A directory to write report.md, its pictures and report.html to."),
]


def sweep(  # noqa: PLR0913, PLR0917 - one parameter for each option
    preset: Annotated[
        str | None, typer.Argument(help="A table or figure of the paper, as paper-table-6.")
    ] = None,
    vary: Annotated[
        list[str] | None, typer.Option(help="A field and its values: depth=20,32. Repeat it.")
    ] = None,
    arch: Annotated[str | None, typer.Option(help="A network, or resnet or plain.")] = None,
    dataset: Annotated[str | None, typer.Option(help="A data set.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of each trial.")] = None,
    scale: Annotated[float | None, typer.Option(help="Of a preset's length, below 1.")] = None,
    search: Annotated[str, typer.Option(help="grid, random, asha or optuna.")] = "grid",
    trials: Annotated[int | None, typer.Option(help="How many points to search.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Trainings of each point.")] = None,
    at_once: Annotated[int | None, typer.Option(help="Trials at the same time.")] = None,
    workers: Workers = None,
    name: Annotated[str | None, typer.Option(help="Free text.")] = None,
    register_as: Annotated[str | None, typer.Option(help="Model to register the best as.")] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option(help="Show what it would be, and submit nothing.")
    ] = False,
    watch: Annotated[bool, typer.Option(help="Stay, and print the report at the end.")] = True,
    output: Output = None,
    url: Url = None,
) -> None:
    """Train a network for each combination of values, or what a table of the paper has. All else that a
    sweep can be told: POST /jobs."""
    searched = {"name": search, "trials": trials, "seeds": seeds, "at_once": at_once}
    given: dict[str, Any] = {
        "kind": "sweep",
        "preset": preset,
        "space": _space(vary) if vary else None,
        "arch": arch,
        "dataset": dataset,
        "epochs": epochs,
        "scale": scale,
        "search": {field: value for field, value in searched.items() if value is not None},
        "workers": meant(workers),
        "name": name,
        "register_as": register_as,
    }
    body = {field: value for field, value in given.items() if value is not None}
    with connect(url) as client:
        if dry_run:
            typer.echo("\n".join(sweep_plan.lines(client.post("/jobs?dry_run=true", body))))
            return
        job = client.post("/jobs", body)
        typer.echo(job["id"])
        if watch:
            follow(client, job["id"])
            _report(client, job["id"], output)


def report(job: JobId, output: Output = None, url: Url = None) -> None:
    """Print a sweep's report, as far as it has come."""
    with connect(url) as client:
        _report(client, job, output)


def trials(job: JobId, url: Url = None) -> None:
    """List a sweep's trials."""
    with connect(url) as client:
        typer.echo(ROW.format(**{name: name for name in HEAD}))
        for trial in _trials(client, job):
            typer.echo(ROW.format(**_row(trial)))


def follow(client: Client, job: str) -> None:
    """Say on standard error when a trial's state changes, until all have ended. Raises CommandFailed unless
    the sweep succeeded."""
    said: dict[int, str] = {}
    while True:
        ended = client.get(f"/jobs/{job}")
        for trial in _trials(client, job):
            if said.get(trial["number"]) != trial["state"]:
                said[trial["number"]] = trial["state"]
                typer.echo(ROW.format(**_row(trial)), err=True)
        if ended["state"] in ENDED:
            break
        time.sleep(LOOK_EVERY_S)
    why = ended["reason"] or {"message": "", "remedy": ""}
    if ended["state"] != "succeeded":
        raise CommandFailed(f"{job} {ended['state']}: {why['message']} {why['remedy']}".rstrip())
    typer.echo(why["message"], err=True)


def _report(client: Client, job: str, output: Path | None) -> None:
    path = f"/jobs/{job}/report"
    text = client.send("GET", path, headers={"Accept": "text/markdown"}).text
    typer.echo(text)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "report.md").write_text(text)
        page = client.send("GET", path, headers={"Accept": "text/html"}).text
        (output / "report.html").write_text(page)
        looked = any("analysis" in trial["links"] for trial in _trials(client, job))
        for picture in (*PICTURES, LAYERS) if looked else PICTURES:
            headers, wanted = {"Accept": "image/png"}, {"picture": picture}
            drawn = client.send("GET", path, headers=headers, params=wanted)
            (output / f"{picture}.png").write_bytes(drawn.content)


def _trials(client: Client, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/jobs/{job}/trials", limit=1000)["items"]
    return found


def _row(trial: dict[str, Any]) -> dict[str, str]:
    epochs = f"{trial['epoch']}/{trial['epochs']}" if trial["epochs"] else ""
    return {
        "number": str(trial["number"]),
        "what": sweep_plan.point(trial["point"]),
        "state": trial["state"] or "refused",
        "epoch": epochs,
        "lowest": f"{trial['lowest']:.2f}" if trial["lowest"] is not None else "",
        "job": trial["job"] or "",
    }


def _space(given: Sequence[str]) -> dict[str, list[Any]]:
    """`depth=20,32` → {"depth": [20, 32]}. Raises CommandFailed."""
    space = {}
    for one in given:
        field, equals, values = one.partition("=")
        if not equals or not values:
            raise CommandFailed(f"'{one}' does not say what varies; give it as depth=20,32")
        space[field] = [_value(value) for value in values.split(",")]
    return space


def _value(text: str) -> Any:
    """A number or true or false if it is one, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
