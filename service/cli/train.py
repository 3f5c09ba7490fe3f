"""`residual train`: submits a job."""

from typing import Annotated, Any

import typer

from service.cli import start_from as beginning
from service.cli.client import Url, connect
from service.cli.watch import follow
from service.cli.workers import Workers, meant


def train(  # noqa: PLR0913, PLR0917 - one parameter for each option
    arch: Annotated[str, typer.Argument(help="A network, as resnet20.")],
    dataset: Annotated[str, typer.Option(help="A data set, as fashion-mnist-mini.")],
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step, in all.")] = None,
    workers: Workers = None,
    shortcut: Annotated[str | None, typer.Option(help="A, B or C.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of initial weights and data order.")] = None,
    input_size: Annotated[int | None, typer.Option(help="Pixels to resize images to.")] = None,
    holdout: Annotated[
        int | None, typer.Option(help="Training images to keep back and validate on.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Last validation: center, 10-crop or multi-scale.")
    ] = None,
    start_from: beginning.StartFrom = None,
    name: Annotated[str | None, typer.Option(help="Free text.")] = None,
    register_as: Annotated[str | None, typer.Option(help="Model to register it as.")] = None,
    *,
    watch: Annotated[bool, typer.Option(help="Stay and show its progress.")] = True,
    url: Url = None,
) -> None:
    """Train a network on a data set. All else that a job can be told: POST /jobs."""
    given: dict[str, Any] = {
        "arch": arch,
        "dataset": dataset,
        "epochs": epochs,
        "batch_size": batch_size,
        "workers": meant(workers),
        "shortcut": shortcut,
        "seed": seed,
        "input_size": input_size,
        "holdout": holdout,
        "protocol": protocol,
        "start_from": beginning.meant(start_from),
        "name": name,
        "register_as": register_as,
    }
    body = {field: value for field, value in given.items() if value is not None}
    with connect(url) as client:
        job = client.post("/jobs", body)
        typer.echo(job["id"])
        if watch:
            follow(client, job["id"])
