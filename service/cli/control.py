"""`residual pause`, `resume`, `cancel`, `change` and `delete`: what becomes of a job."""

from typing import Annotated, Any

import typer

from service.cli.client import Body, JobId, Url, connect
from service.cli.failure import CommandFailed


def pause(job: JobId, url: Url = None) -> None:
    """Let a job keep a checkpoint and give its resources back."""
    with connect(url) as client:
        _say(client.post(f"/jobs/{job}/pause"))


def resume(
    job: JobId,
    epochs: Annotated[
        int | None, typer.Option(help="Its length in all; a succeeded training needs it.")
    ] = None,
    url: Url = None,
) -> None:
    """Let a paused or ended job go on from its last checkpoint."""
    with connect(url) as client:
        _say(client.post(f"/jobs/{job}/resume", None if epochs is None else {"epochs": epochs}))


def cancel(job: JobId, url: Url = None) -> None:
    """End a job; its processes are gone within ten seconds."""
    with connect(url) as client:
        _say(client.post(f"/jobs/{job}/cancel"))


def change(
    job: JobId,
    priority: Annotated[int | None, typer.Option(help="Higher starts first.")] = None,
    name: Annotated[str | None, typer.Option(help="Free text; '' takes it away.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="key=value; may be repeated. They replace all labels; '' takes them away."
        ),
    ] = None,
    url: Url = None,
) -> None:
    """Change a job's priority, name or labels."""
    given: dict[str, Any] = {}
    if priority is not None:
        given["priority"] = priority
    if name is not None:
        given["name"] = name or None
    if label:
        given["labels"] = dict(_pair(word) for word in label if word)
    if not given:
        raise CommandFailed("say what to change: --priority, --name or --label")
    with connect(url) as client:
        _say(client.patch(f"/jobs/{job}", given))


def delete(job: JobId, url: Url = None) -> None:
    """Delete a job that has ended, with its metrics, logs and checkpoints."""
    with connect(url) as client:
        client.delete(f"/jobs/{job}")
    typer.echo(f"{job} deleted")


def _say(job: Body) -> None:
    typer.echo(f"{job['id']} {job['state']}")


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise CommandFailed(f"'{word}' is no label; write key=value, for example team=vision")
    return key, value
