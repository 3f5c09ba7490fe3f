"""`residual key`: what a client on another machine needs."""

import typer

from service.cli.client import known_key
from service.settings import Settings


def key() -> None:
    """Print the administrator's key of the service in the data directory."""
    typer.echo(known_key(Settings().data_dir.expanduser()))
