"""`residual batch`: what a registered model sees in many images, as Parquet files on this machine."""

import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.client import Client, Url, connect
from service.cli.failure import CommandFailed
from service.cli.watch import follow
from service.cli.workers import Workers, meant

NAME = r"part-\d{1,9}\.parquet"
"""Of all that is written: nothing else is, anywhere."""


def batch(  # noqa: PLR0913, PLR0917 - one parameter for each option
    model: Annotated[str, typer.Argument(help="A registered model, as fashion.")],
    version: Annotated[int | None, typer.Option(help="Of it. Default: the newest.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Whose images; or --source.")] = None,
    split: Annotated[str | None, typer.Option(help="val (the default) or train.")] = None,
    source: Annotated[
        str | None, typer.Option(help="A folder below inputs/PROJECT/ of the object store.")
    ] = None,
    top_k: Annotated[int, typer.Option(help="Labels an image.")] = 5,
    workers: Workers = None,
    output: Annotated[
        Path | None, typer.Option(help="A directory for the Parquet files.", metavar="DIR")
    ] = None,
    *,
    watch: Annotated[bool, typer.Option(help="Stay until it is done.")] = True,
    url: Url = None,
) -> None:
    """Classify a data set's images, or all images in a folder of the object store."""
    if output and not watch:
        raise CommandFailed("--output is where the files go when it is done; it needs --watch too")
    given: dict[str, Any] = {
        "kind": "predict",
        "model": model,
        "version": version,
        "dataset": dataset,
        "split": split,
        "source": source,
        "top_k": top_k,
        "workers": meant(workers),
    }
    body = {field: value for field, value in given.items() if value is not None}
    with connect(url) as client:
        job = client.post("/jobs", body)
        typer.echo(job["id"])
        if watch:
            ended, _ = follow(client, job["id"])
            found = client.get(ended["links"]["predictions"])
            if output:
                fetch(client, ended["id"], found, output)
            typer.echo(said(found, output))


def fetch(client: Client, job: str, found: dict[str, Any], folder: Path) -> None:
    """Download all files of a prediction. Each gets its name when it is whole; one that is there and right
    stays as it is."""
    for file in found["files"]:
        if not re.fullmatch(NAME, file["name"], re.ASCII):
            raise CommandFailed(f"the service names a file {file['name']!r}, which is not written")
        try:
            _fetch(client, f"/jobs/{job}/predictions/files/{file['name']}", file, folder)
        except OSError as error:
            raise CommandFailed(f"cannot write below {folder}: {error}") from error


def said(found: dict[str, Any], output: Path | None) -> str:
    """What a prediction came to, as a line."""
    files = f"{len(found['files'])} file{'s' * (len(found['files']) != 1)}"
    where = output or f"{found['prefix']} of the object store"
    return f"{found['images']:,} images by {found['model']} · {found['errors']:,} errors · {files} in {where}"


def _fetch(client: Client, path: str, file: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file["name"]
    if target.is_file() and _sha256(target) == file["sha256"]:
        return
    part = target.with_suffix(".part")
    with part.open("wb") as written:
        written.writelines(client.pieces(path))
    if _sha256(part) != file["sha256"]:
        part.unlink()
        raise CommandFailed(f"{file['name']} came damaged; try again")
    os.replace(part, target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
