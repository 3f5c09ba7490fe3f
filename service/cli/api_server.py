"""The API in a thread of `residual up`, so that the main thread is free to watch over Ray."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from service.db.migrate import NewerDatabase
from service.local.failure import CannotStart
from service.main import create_app
from service.parts import assemble
from service.reconcile.loop import Reconciler
from service.settings import Settings
from service.stores import open_database, open_objects
from trainer.contract.objects.store import StoreUnavailable
from trainer.contract.reasons import Code, reason

HALT_WITHIN_S = 8.0
"""What running attempts get to keep a checkpoint when the service stops: most need 2 or 3."""
HALT_LOOK_EVERY_S = 0.1
GRACE_S = 2
"""What requests that still run get when the service stops; streams would go on for hours."""


def check_database(settings: Settings) -> None:
    """Bring the database up to date, as soon as it answers. Asked before Ray is touched: a database that
    is away must not end what trains on the Ray of an earlier service. Raises CannotStart."""
    with _explained():
        open_database(settings).dispose()


def check_store(settings: Settings) -> None:
    """Ask the object store, unless it is away, to show that it can be trusted; before Ray is touched,
    for the same reason. Raises CannotStart."""
    with _explained():
        open_objects(settings)


class Served(NamedTuple):
    """What runs in this process."""

    thread: threading.Thread
    """Of the API."""
    reconciler: Reconciler


@contextmanager
def served(settings: Settings, listener: socket.socket) -> Iterator[Served]:
    """The API on `listener` while the context is open. Raises CannotStart."""
    with _explained():
        parts = assemble(settings)
        app = create_app(parts)
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
        yield Served(thread, parts.reconciler)
    finally:
        server.should_exit = True
        thread.join()


def rest(reconciler: Reconciler, at_once: threading.Event, say: Callable[[str], None]) -> None:
    """Have every job's attempt end in order, so that nothing is lost; return soon in any case."""
    until = time.monotonic() + HALT_WITHIN_S
    with suppress(SQLAlchemyError):
        reconciler.end_attempts(reason(Code.CLUSTER_RESTARTED, "The service was stopped."))
        if not reconciler.at_rest():
            say("running jobs keep a checkpoint first; the signal again stops at once")
        while not reconciler.at_rest() and time.monotonic() < until:
            if at_once.wait(HALT_LOOK_EVERY_S):
                return


@contextmanager
def _explained() -> Iterator[None]:
    """What keeps the service from starting, as CannotStart."""
    try:
        yield
    except (NewerDatabase, SQLAlchemyError, StoreUnavailable, ValueError) as error:
        raise CannotStart(str(error)) from error
