"""`residual keys create`, `list` and `delete`: who else may use the service, and how much of it."""

from typing import Annotated, Any

import typer

from service.cli.client import Url, connect

commands = typer.Typer(help="Keys and quotas of projects; for the administrator.")

ROW = "{id:<24} {project:<20} {live_jobs:>9} {cpus:>8} {gpus:>8}  {name}"
LIMITS = ("live_jobs", "cpus", "gpus")


@commands.command("create")
def create(  # noqa: PLR0913, PLR0917 - one parameter for each option
    project: Annotated[str, typer.Argument(help="Whose key it is.")],
    name: Annotated[str | None, typer.Option(help="Free text.")] = None,
    live_jobs: Annotated[int | None, typer.Option(help="Jobs not ended, at most.")] = None,
    cpus: Annotated[float | None, typer.Option(help="CPUs at once, at most.")] = None,
    gpus: Annotated[float | None, typer.Option(help="GPUs at once, at most.")] = None,
    url: Url = None,
) -> None:
    """Make a key, and print it: it is shown only now. Limits replace all those of the project."""
    limits = {"live_jobs": live_jobs, "cpus": cpus, "gpus": gpus}
    quota = {what: limit for what, limit in limits.items() if limit is not None}
    body = {"project": project, "name": name, "quota": quota or None}
    with connect(url) as client:
        made = client.post("/keys", body)
    typer.echo(
        f"{made['id']} of the project {made['project']}; the key is shown only now", err=True
    )
    typer.echo(made["key"])


@commands.command("list")
def show(url: Url = None) -> None:
    """List keys with the quotas of their projects, newest first."""
    typer.echo(ROW.format(**{name: name for name in ("id", "project", *LIMITS, "name")}))
    with connect(url) as client:
        page = client.get("/keys", limit=500)
        while page["items"]:
            for key in page["items"]:
                typer.echo(ROW.format(**_row(key)))
            if page["next_cursor"] is None:
                return
            page = client.get("/keys", limit=500, cursor=page["next_cursor"])


@commands.command("delete")
def delete(
    key: Annotated[str, typer.Argument(help="Id of the key.", metavar="KEY")], url: Url = None
) -> None:
    """Delete a key; it opens nothing from then on."""
    with connect(url) as client:
        client.delete(f"/keys/{key}")


def _row(key: dict[str, Any]) -> dict[str, str]:
    quota = key["quota"] or {}
    limits = {what: "" if quota.get(what) is None else f"{quota[what]:g}" for what in LIMITS}
    return {"id": key["id"], "project": key["project"], "name": key["name"] or "", **limits}
