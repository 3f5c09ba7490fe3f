"""`--start-from` of `residual train`: a registered model, or a job."""

import re
from typing import Annotated, Any

import typer

from service.cli.failure import CommandFailed

StartFrom = Annotated[
    str | None,
    typer.Option(
        help="Begin with the weights of a registered model, or of a job's best checkpoint.",
        metavar="MODEL[:VERSION]|JOB",
    ),
]


def meant(start_from: str | None) -> dict[str, Any] | None:
    """What `POST /jobs` takes for it."""
    if start_from is None:
        return None
    found = re.fullmatch(r"([a-z0-9-]+)(?::(\d+))?", start_from)
    if found is None:
        raise CommandFailed(
            f"--start-from is '{start_from}'; name a model as fashion or fashion:3, or a job by its id"
        )
    name, version = found.groups()
    if version is not None:
        return {"model": name, "version": int(version)}
    return {"job": name} if name.startswith("job-") else {"model": name}
