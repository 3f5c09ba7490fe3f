"""The API in a thread of `residual up`, so that the main thread is free to watch over Ray."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from service.db.migrate import NewerDatabase
from service.local.failure import CannotStart
from service.main import create_app
from service.parts import assemble
from service.settings import Settings
from service.stores import open_database
from trainer.contract.objects.store import StoreUnavailable

GRACE_S = 2
"""What requests that still run get when the service stops; streams would go on for hours."""


def check_database(settings: Settings) -> None:
    """Bring the database up to date, as soon as it answers. Asked before Ray is touched: a database that
    is away must not end what trains on the Ray of an earlier service. Raises CannotStart."""
    with _explained():
        open_database(settings).dispose()


@contextmanager
def served(settings: Settings, listener: socket.socket) -> Iterator[threading.Thread]:
    """The API on `listener` while the context is open. Raises CannotStart."""
    with _explained():
        app = create_app(assemble(settings))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api")
    thread.start()
    try:
        yield thread
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _explained() -> Iterator[None]:
    """What keeps the service from starting, as CannotStart."""
    try:
        yield
    except (NewerDatabase, SQLAlchemyError, StoreUnavailable, ValueError) as error:
        raise CannotStart(str(error)) from error
