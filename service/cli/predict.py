"""`residual predict`: what a deployed model sees in images."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.client import Client, Url, connect
from service.cli.failure import CommandFailed
from trainer.contract.serving import Classified


def predict(
    images: Annotated[list[Path], typer.Argument(help="JPEG, PNG or WebP files.")],
    model: Annotated[str | None, typer.Option(help="Needed if several are deployed.")] = None,
    top_k: Annotated[int, typer.Option(help="Labels an image.")] = 3,
    protocol: Annotated[
        str | None,
        typer.Option(help="center, 10-crop or multi-scale. Default: as it is deployed."),
    ] = None,
    url: Url = None,
) -> None:
    """Classify images by a deployed model."""
    with connect(url) as client:
        files = [(path.name, read(path)) for path in images]
        answer = classify(client, files, model, top_k, protocol=protocol)
    for path, result in zip(images, answer.results, strict=True):
        labels = [f"{each.label} {each.probability:.1%}" for each in result.predictions]
        typer.echo(f"{path}: {', '.join(labels)}")


def classify(
    client: Client,
    images: list[tuple[str, bytes]],
    model: str | None,
    top_k: int,
    *,
    protocol: str | None = None,
) -> Classified:
    """What the model sees in images that are given as names and bytes."""
    query = {"top_k": str(top_k)} | ({"model": model} if model else {})
    query |= {"protocol": protocol} if protocol else {}
    files = [("file", (name, data)) for name, data in images]
    answer = client.send("POST", "/predict", params=query, files=files)
    return Classified.model_validate_json(answer.content)


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"cannot read {path}: {error.strerror}") from error
