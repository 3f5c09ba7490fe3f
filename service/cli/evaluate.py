"""`residual evaluate`: how good registered models are on a data set's validation images."""

from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.client import Client, Url, connect
from service.cli.failure import CommandFailed
from service.cli.watch import follow
from service.cli.workers import Workers, meant


def evaluate(  # noqa: PLR0913, PLR0917 - one parameter for each option
    model: Annotated[str, typer.Argument(help="A registered model, as fashion.")],
    version: Annotated[int | None, typer.Option(help="Of it. Default: the newest.")] = None,
    ensemble: Annotated[
        list[str] | None,
        typer.Option(help="Another model to average with, as fashion:2; may be repeated."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Default: what the model was trained on.")
    ] = None,
    protocol: Annotated[str, typer.Option(help="center, 10-crop or multi-scale.")] = "center",
    workers: Workers = None,
    output: Annotated[Path | None, typer.Option(help="PNG file for the analysis.")] = None,
    *,
    analyse: Annotated[bool, typer.Option(help="Look into the layers, too (Fig. 7).")] = False,
    watch: Annotated[bool, typer.Option(help="Stay until it is done.")] = True,
    url: Url = None,
) -> None:
    """Evaluate a registered model, or several as an ensemble."""
    if output and not (analyse and watch):
        raise CommandFailed("--output is where the picture of --analyse goes; it needs --watch too")
    given: dict[str, Any] = {
        "kind": "evaluate",
        **members(model, version, ensemble or []),
        "dataset": dataset,
        "protocol": protocol,
        "workers": meant(workers),
        "analyse": analyse,
    }
    body = {field: value for field, value in given.items() if value is not None}
    with connect(url) as client:
        job = client.post("/jobs", body)
        typer.echo(job["id"])
        if watch:
            ended, _ = follow(client, job["id"])
            typer.echo(said(ended["result"]["evaluation"]))
            if output:
                save_picture(client, ended, output)


def members(model: str, version: int | None, others: list[str]) -> dict[str, Any]:
    """The models as the body of `POST /jobs` names them."""
    if not others:
        return {"model": model, "version": version}
    first = model if version is None else f"{model}:{version}"
    return {"ensemble": [member(word) for word in [first, *others]]}


def said(evaluation: dict[str, Any]) -> str:
    """What an evaluation came to, as a line."""
    return (
        f"top-1 error {evaluation['top1_error']:.2f} % · top-5 error {evaluation['top5_error']:.2f} % · "
        f"{evaluation['images']} images of {evaluation['dataset']} · "
        f"{evaluation['protocol']}, {evaluation['views']} view{'s' * (evaluation['views'] != 1)} each"
    )


def save_picture(client: Client, job: dict[str, Any], output: Path) -> None:
    answer = client.send("GET", job["links"]["analysis"], headers={"Accept": "image/png"})
    try:
        output.write_bytes(answer.content)
    except OSError as error:
        raise CommandFailed(f"cannot write {output}: {error.strerror}") from error
    typer.echo(f"The analysis is in {output}")


def member(word: str) -> dict[str, Any]:
    """A model as an ensemble names it, of NAME or NAME:VERSION."""
    name, colon, version = word.partition(":")
    if colon and not version.isdecimal():
        raise CommandFailed(f"'{word}' is no model; write NAME, or NAME:VERSION with a number")
    return {"model": name} | ({"version": int(version)} if colon else {})
