"""`residual import`: weights from elsewhere as a model version. For the administrator of this machine: it
writes the database and the object store itself, and there is no such call in the API."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.weights import DataDir, Project, check_name, registrar, run_beside, settings_in
from service.stores import storage_url

Channels = tuple[float, float, float]


def import_weights(  # noqa: PLR0913, PLR0917 - one parameter for each option
    file: Annotated[Path, typer.Argument(help="A .pth of torch.save, or .safetensors.")],
    name: Annotated[str, typer.Option("--as", help="Model whose next version it becomes.")],
    layout: Annotated[
        str | None,
        typer.Option(help="torchvision, akamaster, chenyaofo, kuangliu; found out by default."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="File of class names, one a line, or 'imagenet'.")
    ] = None,
    mean: Annotated[
        Channels | None, typer.Option(help="Of red, green, blue in 0 … 1. Default: the layout's.")
    ] = None,
    std: Annotated[
        Channels | None, typer.Option(help="Of red, green, blue in 0 … 1. Default: the layout's.")
    ] = None,
    resize: Annotated[
        int | None, typer.Option(help="Shorter side in pixels before the centre is cut out.")
    ] = None,
    project: Project = "default",
    data_dir: DataDir = None,
) -> None:
    """Register the weights in a file as a model version. Only tensors are read, and no code is run."""
    check_name(name, "model")
    check_name(project, "project")
    settings = settings_in(data_dir)
    options = {
        "--store": storage_url(settings),
        "--file": str(file),
        "--layout": layout,
        "--classes": classes,
        "--mean": _channels(mean),
        "--std": _channels(std),
        "--resize": None if resize is None else str(resize),
    }
    kept = run_beside("trainer.weights.import_file", options)
    with registrar(settings) as registry:
        made = registry.once(project, name, kept["prefix"])
    meta = made.meta
    read_as = meta.imported.layout if meta.imported else ""
    typer.echo(
        f"{name} version {made.version}: {meta.architecture.name} of {len(meta.class_names)} classes, "
        f"read as {read_as}"
    )


def _channels(values: Channels | None) -> str | None:
    return None if values is None else ",".join(map(str, values))
