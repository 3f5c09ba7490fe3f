"""`residual demo`: the whole service once, from an empty directory to a classified picture.

Everything goes through REST; each step prints the `curl` line that does the same.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import demo_steps as steps
from service.cli.client import connect, known_key
from service.cli.demo_service import Running, running
from service.cli.failure import CommandFailed

MODEL = "fashion"
HIGHEST_ERROR = 20.0
"""Percent of the test images that a ResNet-20 may get wrong."""
IMAGES = 3


def demo(
    epochs: Annotated[int, typer.Option(help="Passes over the 5,000 training images.")] = 10,
    output: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("demo-output"),
    data_dir: Annotated[Path | None, typer.Option(help="Default: a new temporary one.")] = None,
    *,
    keep: Annotated[bool, typer.Option(help="Leave the service running at the end.")] = False,
) -> None:
    """Train, register, deploy and ask a ResNet-20, in about three minutes on two cores."""
    began = time.monotonic()
    with ExitStack() as at_the_end:
        if data_dir is None and not keep:
            scratch = tempfile.TemporaryDirectory(prefix="residual-demo-")
            data_dir = Path(at_the_end.enter_context(scratch))
        service = running(data_dir or Path(tempfile.mkdtemp(prefix="residual-demo-")), keep=keep)
        ready = at_the_end.enter_context(service)
        show(ready, epochs, output)
        typer.echo(f"\nThat took {time.monotonic() - began:.0f} s.")
    if keep:
        typer.echo(f"The service stays at {ready.url}; stop it with: kill {ready.pid}")
    else:
        typer.echo("The service and all it started are stopped.")


def show(service: Running, epochs: int, output: Path) -> None:
    """Raises CommandFailed when a step fails, or the network has learned too little."""
    key = known_key(service.data_dir)
    typer.echo(f"\n  export URL={service.url} KEY={key}")
    with connect(service.url, key) as client:
        job, points = steps.train(client, epochs)
        picture = steps.draw(job, points, output)
        steps.register(client, job, MODEL)
        steps.deploy(client, MODEL)
        steps.classify(client, MODEL, IMAGES, output)
    error = job["result"]["best"]["metrics"]["top1_error"]
    where(service, job, picture)
    if error > HIGHEST_ERROR:
        raise CommandFailed(
            f"the test error is {error:.1f} %, more than {HIGHEST_ERROR:.0f} %; give it more --epochs"
        )


def where(service: Running, job: dict[str, Any], picture: Path) -> None:
    """All that there is to look at; most of it for as long as the service runs."""
    seen = {name: path for name, path in job["links"].items() if name != "cancel"}
    seen |= {"model": f"/models/{MODEL}", "deployment": f"/models/{MODEL}/deployment"}
    typer.echo("\nWhere it is")
    for name, path in (seen | {"API": "/docs"}).items():
        typer.echo(f"  {name:<12} {service.url}{path}")
    typer.echo(f"  {'curve':<12} {picture.resolve()}")
