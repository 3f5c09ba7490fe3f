"""`residual store verify`: whether jobs can be kept in an object store, found out by using it."""

import random
import secrets
import signal
import sys
import time
from threading import Event
from types import FrameType
from typing import Annotated

import typer

from service.cli import store_checks
from service.cli.failure import CommandFailed
from service.cli.store_checks import CHECKS, Broken, Trial, sizes_of, steps_of
from service.settings import Settings
from service.stores import presigning, storage_url
from trainer.contract import layout
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import StoreError

commands = typer.Typer(help="The object store; for the administrator.")

ROW = "{name:<14} {held:<6} {seconds:>7}  {said}"


@commands.callback()
def store() -> None:
    """Keeps `verify` a command of its own, as long as it is the only one."""


@commands.command("verify")
def verify(
    url: Annotated[str | None, typer.Argument(help="Default: RESIDUAL_STORAGE_URL's.")] = None,
    objects: Annotated[int, typer.Option(min=1, max=99_999, help="Objects to write.")] = 2_000,
    megabytes: Annotated[int, typer.Option(min=1, help="In all, at most.")] = 1_000,
    registers: Annotated[int, typer.Option(min=1, help="Objects to race for.")] = 100,
) -> None:
    """Try a store before it is trusted, below a prefix of its own that is removed afterwards.

    S3's keys, endpoint and CA are taken from the AWS_… variables, as the service does.
    """
    settings = Settings()
    interrupted = _heard()
    try:
        trusted = open_store(url or storage_url(settings), presigning(settings))
        chance, folder = random.Random(), layout.probe(secrets.token_hex(8))  # noqa: S311
        sizes = sizes_of(objects, megabytes * 1_000_000, chance)
        trial = Trial(trusted, folder, sizes, registers, lambda: None, chance)
        try:
            failed = _try_all(trial, interrupted)
        finally:
            store_checks.clean(trusted, folder)
    except (StoreError, ValueError, OSError) as error:
        raise CommandFailed(str(error)) from error
    if failed:
        raise CommandFailed(
            f"the store cannot be trusted ({', '.join(failed)}): keep no jobs in it"
        )
    typer.echo("The store can be trusted.")


def _heard() -> Event:
    """Set by Ctrl-C, or by SIGTERM. The interruption is raised where the work gets on, since an exception in
    the midst of the thread pool's own locks leaves them undone; a second one is raised at once."""
    interrupted = Event()

    def hear(number: int, frame: FrameType | None) -> None:
        if interrupted.is_set():
            signal.default_int_handler(number, frame)
        interrupted.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, hear)
    return interrupted


def _try_all(trial: Trial, interrupted: Event) -> list[str]:
    """The checks that failed; each is a line of a table. Raises KeyboardInterrupt."""
    from rich.console import Console
    from rich.progress import Progress

    def advance() -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        bar.advance(task)

    failed = []
    bar = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with bar:
        task = bar.add_task("", total=steps_of(trial))
        trial.advance = advance
        for name, check in CHECKS.items():
            bar.update(task, description=name)
            began = time.monotonic()
            try:
                said, held = check(trial), "holds"
            except Broken as broken:
                said, held = str(broken), "BROKEN"
                failed.append(name)
            seconds = f"{time.monotonic() - began:.1f} s"
            typer.echo(ROW.format(name=name, held=held, seconds=seconds, said=said))
    return failed
