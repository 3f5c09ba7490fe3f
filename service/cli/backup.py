"""`residual backup` and `residual restore`: the database and the object store, for the administrator."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.backup import place, removing
from service.backup.making import Maker, Told
from service.backup.place import Unusable
from service.backup.restoring import NotEmpty, Restorer
from service.cli.failure import CommandFailed
from service.clock import utc_now
from service.db import migrate
from service.db.leases import Leases
from service.db.migrate import NewerDatabase
from service.local.instance import held, prepare
from service.reconcile.loop import LEASE
from service.settings import Settings
from service.stores import connect_database, sqlite_file, storage_url
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import ObjectStore, StoreError
from trainer.contract.objects.trust import Trusted

Where = Annotated[str, typer.Argument(metavar="FOLDER|s3://…", help="Where backups are kept.")]
DataDir = Annotated[Path | None, typer.Option(help="The service's. Default: RESIDUAL_DATA_DIR's.")]


def backup(
    where: Where,
    data_dir: DataDir = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Then remove all but so many of the newest.")
    ] = None,
) -> None:
    """Back up the database and the object store, also while the service runs.

    Several backups may lie in one place, made one after the other: what has not changed is there once. S3's
    keys and endpoint are those of the AWS_… variables. Exit status 1 also when the store has something
    damaged: what it is, is said, the backup is made without it, and no older one is removed.
    """
    settings = _settings(data_dir)
    with _explained(), _progress() as told:
        engine = _used(settings)
        source = open_store(storage_url(settings))
        into = Trusted(open_store(_url(where, made=True)))
        made = Maker(engine, source, into, utc_now, told).make()
    meta = made.meta
    typer.echo(
        f"backup {made.name}: {meta.jobs} jobs, {meta.versions} versions of models, "
        f"{meta.objects} objects of {_megabytes(meta.bytes)}; copied {made.added} of "
        f"{_megabytes(made.added_bytes)}"
    )
    for sentence in made.damaged:
        typer.echo(f"damaged: {sentence}", err=True)
    if made.damaged:  # older backups may have them whole
        none = "" if keep is None else "; no older one is removed"
        raise CommandFailed(
            f"the backup is made, without {len(made.damaged)} that are damaged{none}"
        )
    if keep is not None:
        _remove_old(into, keep)


def restore(
    where: Where,
    name: Annotated[str | None, typer.Option(help="Which one. Default: the newest.")] = None,
    data_dir: DataDir = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of the jobs and models that are there.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all of it, and write nothing.")
    ] = False,
) -> None:
    """Bring a backup back into the database and the object store of the settings, which may be of other
    kinds than those it was made of. The service must not run.

    Nothing is written before all of the backup was read and found whole.
    """
    settings = _settings(data_dir)
    with _explained(), _progress() as told:
        kept = open_store(_url(where, made=False))
        restorer = Restorer(kept, place.find(kept, name), utc_now, told)
        called = place.name(restorer.backup)
        if verify:
            restorer.verify()
        else:
            with _alone(settings):
                engine = connect_database(settings)
                _refuse_in_use(engine)
                target: ObjectStore = Trusted(open_store(storage_url(settings)))
                restored = restorer.restore(engine, target, over=replace)
    if verify:
        typer.echo(f"backup {called} is whole")
        return
    meta = restored.backup.meta
    typer.echo(
        f"restored {called}: {meta.jobs} jobs, {meta.versions} versions of models, {meta.objects} "
        f"objects of {_megabytes(meta.bytes)}; {restored.closed} jobs were at work, and go on from their "
        "newest checkpoints when the service starts"
    )


def _remove_old(kept: ObjectStore, keep: int) -> None:
    with _explained():
        removed = removing.all_but(kept, keep)
    if removed.names:
        typer.echo(
            f"removed {', '.join(removed.names)}: {removed.objects} objects of "
            f"{_megabytes(removed.bytes)}"
        )


def _settings(data_dir: Path | None) -> Settings:
    return Settings(data_dir=data_dir) if data_dir else Settings()


def _url(where: str, *, made: bool) -> str:
    """Of a folder, which only its owner can read; or the URL as it is. Raises CommandFailed."""
    if "://" in where:
        return where
    folder = Path(where).expanduser().resolve()
    if made:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    elif not folder.is_dir():
        raise CommandFailed(f"there is no folder {folder}")
    return folder.as_uri()


def _used(settings: Settings) -> Engine:
    """The database of a service that has run, with this program's tables. Raises CommandFailed."""
    if settings.database_url is None and not sqlite_file(settings).exists():
        raise CommandFailed(
            f"there is no database {sqlite_file(settings)}: name the service's --data-dir, or set "
            "RESIDUAL_DATABASE_URL as it has it"
        )
    engine = connect_database(settings)
    found, ours = migrate.revision_of(engine), migrate.head()
    if found != ours:
        raise CommandFailed(
            f"the database is at revision {found}, and this program works with {ours}: back it up with "
            "the version that uses it"
        )
    return engine


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Nobody starts a service in the data directory meanwhile. Raises CannotStart."""
    with held(prepare(settings.data_dir)):
        yield


def _refuse_in_use(engine: Engine) -> None:
    """Raises CommandFailed while a program works on the database."""
    if migrate.revision_of(engine) is not None and Leases(engine).held(LEASE, now=utc_now()):
        raise CommandFailed("a service works on this database: stop it, wait 10 s, and try again")


@contextmanager
def _explained() -> Iterator[None]:
    """Whatever goes wrong, as a sentence."""
    try:
        yield
    except (Unusable, NotEmpty, NewerDatabase, StoreError, SQLAlchemyError, ValueError) as error:
        raise CommandFailed(str(error)) from error
    except OSError as error:
        raise CommandFailed(f"{error.strerror}: {error.filename}") from error


@contextmanager
def _progress() -> Iterator[Told]:
    """A bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    bar = Progress(console=console, transient=True, disable=not sys.stderr.isatty())
    with bar if sys.stderr.isatty() else nullcontext():
        task = bar.add_task("")
        yield lambda what, done, of: bar.update(task, description=what, completed=done, total=of)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
