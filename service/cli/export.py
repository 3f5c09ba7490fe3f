"""`residual export`: a model version as a file for other programs, proved by running it again."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from service.cli.failure import CommandFailed
from service.cli.weights import DataDir, Project, registrar, run_beside, settings_in
from service.models.registrar import Registrar
from service.stores import storage_url
from trainer.contract import layout

SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "torch-export": ".pt2"}


def export(  # noqa: PLR0913, PLR0917 - one parameter for each option
    name: Annotated[str, typer.Argument(help="A registered model.")],
    version: Annotated[int | None, typer.Option(help="Default: the newest.")] = None,
    kind: Annotated[
        Literal["safetensors", "onnx", "torch-export"],
        typer.Option("--format", help="Of the file."),
    ] = "safetensors",
    names: Annotated[
        Literal["residual", "torchvision"], typer.Option(help="Of the tensors, in safetensors.")
    ] = "residual",
    output: Annotated[
        Path | None, typer.Option(help="Default: the model and version as a name, here.")
    ] = None,
    project: Project = "default",
    data_dir: DataDir = None,
) -> None:
    """Write a model version to a file.

    Its input is float32 (B, 3, S, S) of pixels / 255, for any B; its output logits. ONNX and
    torch.export subtract the mean image themselves; safetensors hold it as `pixel_mean`.
    """
    if names == "torchvision" and kind != "safetensors":
        raise CommandFailed("--names is for the tensors of safetensors; leave it or --format out")
    settings = settings_in(data_dir)
    with registrar(settings) as registry:
        number = _version(registry, project, name, version)
    file = output or Path(f"{name}-{number}{SUFFIXES[kind]}")
    if file.exists():
        raise CommandFailed(f"{file} is there already; delete it, or name another with --output")
    options = {
        "--store": storage_url(settings),
        "--prefix": layout.model_version(project, name, number),
        "--format": "torchvision" if names == "torchvision" else kind,
        "--output": str(file),
    }
    proof = run_beside("trainer.weights.export_file", dict(options))
    typer.echo(
        f"{file}: run again, its logits differ by {proof['difference']:.2g} at most from those of {name} "
        f"version {number} ({proof['allowed']:.2g} is allowed)"
    )


def _version(registry: Registrar, project: str, name: str, asked: int | None) -> int:
    """The number of the version that is meant. Raises CommandFailed, which names those there are."""
    there = [made.version for made in registry.store.versions(project, name)]
    if not there:
        raise CommandFailed(f"project {project} has no model '{name}'")
    if asked not in (None, *there):
        has = ", ".join(map(str, there[:10]))
        raise CommandFailed(f"model '{name}' has no version {asked}; it has {has}")
    return asked or there[0]
