"""`residual deploy`, `deployment`, `rollback` and `undeploy`: which versions of a model, or which ensembles,
answer."""

import time
from typing import Annotated, Any

import typer

from service.cli.client import Body, Client, Url, connect
from service.cli.evaluate import member
from service.cli.failure import CommandFailed

LOOK_EVERY_S = 1.0

Model = Annotated[str, typer.Argument(help="Name of the model.", metavar="MODEL")]
Number = Annotated[int | None, typer.Option("--version", help="Default: the newest.")]


def deploy(  # noqa: PLR0913, PLR0917 - one parameter for each option
    model: Model,
    version: Number = None,
    alias: Annotated[str | None, typer.Option(help="Follow it, instead of a version.")] = None,
    ensemble: Annotated[
        str | None,
        typer.Option(help="Models to average, as a,b:2; MODEL is the name they answer under."),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="center, 10-crop or multi-scale, unless a request says otherwise.")
    ] = "center",
    least: Annotated[
        int, typer.Option("--min", help="Replicas, always; 0: none while nobody asks.")
    ] = 1,
    most: Annotated[int | None, typer.Option("--max", help="Replicas under load.")] = None,
    canary: Annotated[
        int | None, typer.Option(help="A version to try beside what is deployed.")
    ] = None,
    percent: Annotated[float, typer.Option(help="The canary's share of the requests.")] = 10,
    wait: Annotated[bool, typer.Option(help="Until it is ready, or has failed.")] = False,
    url: Url = None,
) -> None:
    """Let a version of a model serve, or an ensemble of several, or try one on some of the requests."""
    body: dict[str, Any] = {"replicas": {"min": least, "max": most or max(least, 1)}}
    body |= {"version": version} if version is not None else {}
    body |= {"alias": alias} if alias is not None else {}
    body |= {"ensemble": [member(word) for word in ensemble.split(",")]} if ensemble else {}
    body |= {"protocol": protocol}
    body |= {"canary": {"version": canary, "percent": percent}} if canary is not None else {}
    with connect(url) as client:
        shown = client.put(_path(model), body)
        if wait:
            shown = _settled(client, shown)
    _say(shown)


def deployment(model: Model, url: Url = None) -> None:
    """Show what is to serve, and what does."""
    with connect(url) as client:
        _say(client.get(_path(model)))


def rollback(model: Model, url: Url = None) -> None:
    """Take the canary away, or go back to the version that served before."""
    with connect(url) as client:
        _say(client.post(f"{_path(model)}/rollback"))


def undeploy(model: Model, url: Url = None) -> None:
    """Take a deployment down; its replicas end within seconds."""
    with connect(url) as client:
        client.delete(_path(model))
    typer.echo(f"{model} is taken down")


def _path(model: str) -> str:
    return f"/models/{model}/deployment"


def _settled(client: Client, shown: Body) -> Body:
    """Once neither it nor its canary is on the way. Raises CommandFailed when one of them failed."""
    while "failed" not in (states := _states(shown)):
        if set(states) <= {"ready", "idle"}:
            return shown
        time.sleep(LOOK_EVERY_S)
        shown = client.get(_path(shown["model"]))
    canary = shown["canary"] or {}
    raise CommandFailed(str(shown["message"] or canary.get("message")))


def _states(shown: Body) -> list[str]:
    return [shown["state"], *([shown["canary"]["state"]] if shown["canary"] else [])]


def _say(shown: Body) -> None:
    said = [f"{shown['model']}: version {shown['version']} {shown['state']}"]
    if members := shown["ensemble"]:
        said.append("averages " + ", ".join(f"{one['model']}:{one['version']}" for one in members))
    if shown["serving_version"] not in (None, shown["version"]):
        said.append(f"version {shown['serving_version']} serves")
    if canary := shown["canary"]:
        share = f"{canary['percent']:g} %"
        said.append(f"canary: version {canary['version']} {canary['state']}, {share}")
    said += [each["message"] for each in (shown, canary or {}) if each.get("message")]
    typer.echo("; ".join(said))
