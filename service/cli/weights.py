"""What `residual import` and `residual export` share: the registry itself, as the API is not asked, and
torch, which runs in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from service.cli.failure import CommandFailed
from service.clock import utc_now
from service.db.migrate import NewerDatabase
from service.models.registrar import Registrar
from service.models.store import ModelStore
from service.settings import Settings
from service.stores import open_database, storage_url
from trainer.contract.manifest import Damaged
from trainer.contract.names import Name
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import StoreError

DataDir = Annotated[Path | None, typer.Option(help="Of the service; RESIDUAL_DATA_DIR by default.")]
Project = Annotated[str, typer.Option(help="Whose model it is.")]


def settings_in(data_dir: Path | None) -> Settings:
    return Settings() if data_dir is None else Settings(data_dir=data_dir)


@contextmanager
def registrar(settings: Settings) -> Iterator[Registrar]:
    """On the database and the store of the settings, whether a service runs there or not."""
    try:
        engine = open_database(settings)
        try:
            yield Registrar(ModelStore(engine), open_store(storage_url(settings)), utc_now)
        finally:
            engine.dispose()
    except (NewerDatabase, SQLAlchemyError, StoreError, Damaged, OSError, ValueError) as error:
        raise CommandFailed(str(error)) from error


def run_beside(module: str, options: dict[str, str | None]) -> dict[str, Any]:
    """Run a module of training's side; the object it prints. Options that are None are left out."""
    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    command = [sys.executable, "-P", "-m", module, *given]  # -P: no code in the folder one is in
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        ended = f"{module} ended with status {done.returncode}; there may be too little memory"
        raise CommandFailed(said[-1] if said else ended)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def check_name(name: str, what: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise CommandFailed(
            f"'{name}' is no name of a {what}: lower-case letters, digits and '-', 63 at most"
        ) from error
