"""`--workers` of `residual train`, `evaluate` and `batch`: a number, or a range of them."""

import re
from typing import Annotated

import typer

from service.cli.failure import CommandFailed

Workers = Annotated[
    str | None,
    typer.Option(
        help="Processes that share the work; 1-4 is as many of those as fit.", metavar="N|MIN-MAX"
    ),
]


def meant(workers: str | None) -> int | dict[str, int] | None:
    """What `POST /jobs` takes for it."""
    if workers is None:
        return None
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", workers)
    if found is None:
        raise CommandFailed(f"--workers is '{workers}'; write a number as 2, or a range as 1-4")
    least, most = found.groups()
    return int(least) if most is None else {"min": int(least), "max": int(most)}
