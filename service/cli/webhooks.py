"""`residual webhooks create`, `list`, `test` and `delete`: who is told of what becomes of jobs."""

from typing import Annotated, Any

import typer

from service.cli.client import Url, connect
from service.cli.failure import CommandFailed

commands = typer.Typer(help="URLs that are told of changes of jobs' states.")

WebhookId = Annotated[str, typer.Argument(help="Id of the webhook.", metavar="WEBHOOK")]


@commands.command("create")
def create(
    receiver: Annotated[str, typer.Argument(help="On a host that the administrator allows.")],
    state: Annotated[
        list[str] | None, typer.Option(help="Only this state; may be repeated. Default: all.")
    ] = None,
    url: Url = None,
) -> None:
    """Name a URL, and print the secret that it verifies messages with: it is shown only now."""
    with connect(url) as client:
        made = client.post("/webhooks", {"url": receiver, "states": state or None})
    typer.echo(f"{made['id']}; the secret is shown only now", err=True)
    typer.echo(made["secret"])


@commands.command("list")
def show(url: Url = None) -> None:
    """List webhooks, newest first, each with what came of its last message."""
    with connect(url) as client:
        found = client.get("/webhooks")["items"]
    for webhook in found:
        states = ",".join(webhook["states"] or ["all"])
        last = _outcome(webhook["last_delivery"])
        typer.echo(f"{webhook['id']:<28} {webhook['url']}  {states}  {last}")


@commands.command("test")
def try_now(webhook: WebhookId, url: Url = None) -> None:
    """Send a message now, and print what the receiver says."""
    with connect(url) as client:
        answer = client.post(f"/webhooks/{webhook}/test")
    said = " ".join(str(part) for part in (answer["status"], answer["said"]) if part)
    if not answer["delivered"]:
        raise CommandFailed(f"the receiver did not take it: {said}")
    typer.echo(f"delivered: {said}")


@commands.command("delete")
def delete(webhook: WebhookId, url: Url = None) -> None:
    """Delete a webhook, and what it was still to be told."""
    with connect(url) as client:
        client.delete(f"/webhooks/{webhook}")


def _outcome(last: dict[str, Any] | None) -> str:
    if last is None:
        return "nothing sent yet"
    what = f"{last['job']} {last['state']}"
    if last["delivered_at"]:
        return f"{what}: delivered"
    again = f"again at {last['next_at']}" if last["next_at"] else "given up"
    return f"{what}: {last['error']}; {again}"
