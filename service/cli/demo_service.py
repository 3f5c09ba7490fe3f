"""A `residual up` of the demo's own, as a child process on a free port."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from service.cli.failure import CommandFailed

STOP_WITHIN_S = 30.0
TAIL_CHARACTERS = 2000


@dataclass(frozen=True)
class Running:
    """A service that is ready."""

    url: str
    data_dir: Path
    pid: int


@contextmanager
def running(data_dir: Path, *, keep: bool) -> Iterator[Running]:
    """A service in `data_dir`, stopped at the end unless it is to `keep` and all went well."""
    command = [str(Path(sys.executable).with_name("residual")), "up", "--port=0"]
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "up.log"
    typer.echo(f"$ residual up --port=0 --data-dir={data_dir}")
    with log.open("ab") as errors:
        child = subprocess.Popen(  # noqa: S603  # our own words, no shell
            [*command, f"--data-dir={data_dir}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops the service
        )
    kept = False
    try:
        yield Running(_url(child, log), data_dir, child.pid)
        kept = keep
    finally:
        if not kept:
            _stop(child)


def _url(child: "subprocess.Popen[str]", log: Path) -> str:
    """What it says when it is ready."""
    assert child.stdout is not None  # noqa: S101  # a pipe was asked for
    line = child.stdout.readline()
    if not line.startswith("ready "):
        tail = log.read_text(errors="replace")[-TAIL_CHARACTERS:]
        raise CommandFailed(f"the service did not start; it said:\n{tail}")
    typer.echo(line.rstrip())
    return line.split()[1]


def _stop(child: "subprocess.Popen[str]") -> None:
    child.terminate()
    try:
        child.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
