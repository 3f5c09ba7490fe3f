"""Measures every statement of a database. `parts` attaches it to the engine once."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import IntegrityError

from service.metrics.instruments import Instruments

OPERATIONS = frozenset({"select", "insert", "update", "delete"})
BEGAN = "residual_began"


def measure(
    engine: Engine, instruments: Instruments, timer: Callable[[], float] = time.perf_counter
) -> None:
    """Time and count what `engine` does from now on. A row that is there already is an answer, and no
    failure of the database."""

    def before(connection: Connection, *_: Any) -> None:
        connection.info[BEGAN] = timer()

    def after(connection: Connection, _: Any, statement: str, *__: Any) -> None:
        _observe(connection.info, statement)

    def failed(context: ExceptionContext) -> None:
        statement = context.statement or "connect"
        if context.connection is not None:
            _observe(context.connection.info, statement)
        if not isinstance(context.sqlalchemy_exception, IntegrityError):
            instruments.part_failures.labels("database", operation(statement)).inc()

    def _observe(info: dict[Any, Any], statement: str) -> None:
        began = info.pop(BEGAN, None)
        if began is not None:
            seconds = instruments.part_seconds.labels("database", operation(statement))
            seconds.observe(timer() - began)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)


def operation(statement: str) -> str:
    """The verb of an SQL statement, or `other`."""
    verb = statement.lstrip().partition(" ")[0].lower()
    return verb if verb in {*OPERATIONS, "connect"} else "other"
