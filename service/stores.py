"""Where the settings keep jobs and objects: for the service, and for commands beside it."""

from sqlalchemy import URL, Engine

from service.db import engine as database
from service.db import migrate
from service.settings import Settings


def open_database(settings: Settings) -> Engine:
    """The database, brought up to date; SQLite's file is made if it is not there. Waits for a server
    that is still starting. Raises NoDatabase, NewerDatabase."""
    if settings.database_url is not None:
        engine = database.connect(settings.database_url)
    else:
        data_dir = settings.data_dir.expanduser().resolve()
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = URL.create("sqlite", database=str(data_dir / "residual.db"))
        engine = database.connect(file.render_as_string())
    migrate.upgrade_when_it_answers(engine)
    return engine


def storage_url(settings: Settings) -> str:
    """Of the object store."""
    local = settings.data_dir.expanduser().resolve() / "objects"
    return settings.storage_url or local.as_uri()
