"""Where the settings keep jobs and objects: for the service, and for commands beside it."""

from pathlib import Path

import structlog
from sqlalchemy import URL, Engine

from service.db import engine as database
from service.db import migrate
from service.settings import Settings
from trainer.contract.objects.open import Presigning, open_store
from trainer.contract.objects.store import Overwrites, StoreUnavailable
from trainer.contract.objects.trust import Trusted


def open_database(settings: Settings) -> Engine:
    """The database, brought up to date; SQLite's file is made if it is not there. Waits for a server
    that is still starting. Raises NoDatabase, NewerDatabase."""
    if settings.database_url is None:
        settings.data_dir.expanduser().mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = connect_database(settings)
    migrate.upgrade_when_it_answers(engine)
    return engine


def connect_database(settings: Settings) -> Engine:
    """The database as it is; nothing is asked of it yet."""
    if settings.database_url is not None:
        return database.connect(settings.database_url)
    file = URL.create("sqlite", database=str(sqlite_file(settings)))
    return database.connect(file.render_as_string())


def sqlite_file(settings: Settings) -> Path:
    """Where the database is when no other is set."""
    return settings.data_dir.expanduser().resolve() / "residual.db"


def storage_url(settings: Settings) -> str:
    """Of the object store."""
    local = settings.data_dir.expanduser().resolve() / "objects"
    return settings.storage_url or local.as_uri()


def presigning(settings: Settings) -> Presigning | None:
    """Where URLs of the object store lead; None: nobody gets any."""
    return Presigning(settings.storage_public_endpoint) if settings.storage_presign else None


def open_objects(settings: Settings) -> Trusted:
    """The object store, which has shown that it can be trusted; one that is away shows it before
    anything is written. Raises Overwrites, and ValueError when the settings are not right."""
    objects = Trusted(open_store(storage_url(settings), presigning(settings)))
    try:
        objects.show()
    except Overwrites:
        raise
    except StoreUnavailable as error:
        structlog.get_logger().warning("object_store_away", why=str(error))
    return objects
