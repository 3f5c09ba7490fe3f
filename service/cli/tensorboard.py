"""`residual tensorboard`: a job's event files on this machine, and how to look at them."""

import re
import shlex
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Annotated
from zipfile import BadZipFile, ZipFile

import typer

from service.cli.client import JobId, Url, connect
from service.cli.failure import CommandFailed

NAME = r"attempt-\d{1,9}/(train|val)/events\.out\.tfevents\.\d{1,20}"
"""Of all that is unpacked: nothing else is written anywhere."""


def tensorboard(
    job: JobId,
    into: Annotated[
        Path | None, typer.Option(help="A directory. Default: tensorboard/JOB, here.")
    ] = None,
    url: Url = None,
) -> None:
    """Fetch a job's event files for TensorBoard; once more while it runs, and they grow."""
    folder = into or Path("tensorboard", job)
    with connect(url) as client, TemporaryFile() as archive:
        for piece in client.pieces(f"/jobs/{job}/tensorboard"):
            archive.write(piece)
        count = unpack(archive, folder)
    if not count:
        raise CommandFailed(f"job {job} has measured nothing yet; try again when it trains")
    typer.echo(
        f"{count} files. Look at them with:\n  tensorboard --logdir {shlex.quote(str(folder))}"
    )


def unpack(archive: IO[bytes], folder: Path) -> int:
    """Write an archive's event files below `folder`; how many there are. Raises CommandFailed if it is
    none, or has anything else in it; then nothing is written."""
    try:
        with ZipFile(archive) as files:
            for name in files.namelist():
                if not re.fullmatch(NAME, name, re.ASCII):
                    raise CommandFailed(
                        f"the service sent a file named {name!r}; nothing was written"
                    )
            for name in files.namelist():
                _grow(folder / name, files.read(name))
            return len(files.namelist())
    except BadZipFile as error:
        raise CommandFailed(f"the service sent a damaged archive ({error}); try again") from error
    except OSError as error:
        raise CommandFailed(f"cannot write below {folder}: {error}") from error


def _grow(path: Path, content: bytes) -> None:
    """Append what is new, where there is something: a TensorBoard that has the file open reads on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    there = path.read_bytes() if path.exists() else b""
    if there and content.startswith(there):
        with path.open("ab") as file:
            file.write(content[len(there) :])
    else:
        path.write_bytes(content)
