"""`residual jobs` and `logs`: what is there, and what it said."""

from typing import Annotated, Any

import typer

from service.cli.client import JobId, Url, connect

ROW = "{id:<32} {state:<10} {what:<16} {dataset:<20} {progress:>14} {error:>7}"


def jobs(
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(help="The newest so many.")] = 20,
    url: Url = None,
) -> None:
    """List jobs, newest first."""
    query: dict[str, str | int] = {"limit": limit} | ({"state": state} if state else {})
    with connect(url) as client:
        found = client.get("/jobs", **query)["items"]
    head = ("id", "state", "what", "dataset", "progress", "error")
    typer.echo(ROW.format(**{name: name for name in head}))
    for job in found:
        typer.echo(ROW.format(**_row(job)))


def logs(  # noqa: PLR0913 - one parameter for each option
    job: JobId,
    attempt: Annotated[int | None, typer.Option(help="Only this attempt.")] = None,
    rank: Annotated[str | None, typer.Option(help="Only this worker, or driver.")] = None,
    level: Annotated[str | None, typer.Option(help="This level and worse.")] = None,
    *,
    follow: Annotated[bool, typer.Option(help="Go on until the job ends.")] = False,
    url: Url = None,
) -> None:
    """Print what a job's workers wrote."""
    given = {"attempt": attempt, "rank": rank, "level": level}
    query = {name: value for name, value in given.items() if value is not None}
    with connect(url) as client:
        for line in client.lines(f"/jobs/{job}/logs", follow=follow, **query):
            typer.echo(line)


def _row(job: dict[str, Any]) -> dict[str, str]:
    progress, spec = job["progress"], job["spec"]
    return {
        "id": job["id"],
        "state": job["state"],
        "what": _what(job["kind"], spec),
        "dataset": _images(job["kind"], spec),
        "progress": f"{progress['step']}/{progress['steps']}" if progress else "",
        "error": _error(job["result"]),
    }


def _what(kind: str, spec: dict[str, Any]) -> str:
    match kind:
        case "train":
            return str(spec["arch"])
        case "sweep":
            return f"{spec['preset'] or 'sweep'} ({spec['trials']})"
        case "predict":
            return f"{spec['model']['name']}:{spec['model']['version']}"
        case _:
            return _models(spec)


def _images(kind: str, spec: dict[str, Any]) -> str:
    """A data set, or the folder that a prediction is of."""
    if kind == "sweep":
        return str(spec["base"].get("dataset", ""))
    return str(spec["dataset"] or spec["source"])


def _models(spec: dict[str, Any]) -> str:
    """Of an evaluation: the first model, and how many more."""
    first, more = spec["models"][0], len(spec["models"]) - 1
    return f"{first['name']}:{first['version']}{f' + {more}' if more else ''}"


def _error(result: dict[str, Any] | None) -> str:
    """Top-1: the lowest of a training, or that of an evaluation; of other jobs there is none."""
    if result is None:
        return ""
    measured = result["best"]["metrics"] if result["best"] else result["evaluation"]
    return f"{measured['top1_error']:.1f} %" if measured else ""
