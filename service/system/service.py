"""Whether the service and the parts it stands on are well."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from service.clock import utc_now
from service.cluster.cluster import Capacity, Cluster
from service.db.leases import Leases
from service.errors import ClusterUnavailable, ServiceError, StorageUnavailable, Unavailable
from service.lifecycle import Job
from service.system.writing import database_trouble, store_trouble
from trainer.contract import layout
from trainer.contract.objects.store import ObjectStore, Overwrites, StoreUnavailable

TRIAL = bytes(4096)
"""What the object store is tried with: a full disk still takes an object of no bytes."""
LINE_SHOWN = 100
"""Queued jobs that are shown, from the head of the line."""

Check = Callable[[], object]
"""Asks a part something cheap; raises whatever it likes when the part is away."""


@dataclass(frozen=True)
class System:
    """Looks at the parts. Knows no HTTP."""

    checks: Mapping[str, Check]
    cluster: Cluster
    line: Callable[[int], list[Job]]
    """The first so many queued jobs, in the order in which they start."""

    def away(self) -> dict[str, str | None]:
        """Part → what is wrong with it, or None. All parts are asked at once."""
        with ThreadPoolExecutor(max_workers=len(self.checks)) as pool:
            return dict(zip(self.checks, pool.map(_trouble, self.checks.items()), strict=True))

    def capacity(self) -> Capacity:
        """Raises ClusterUnavailable."""
        return self.cluster.capacity()

    def queue(self) -> list[Job]:
        return self.line(LINE_SHOWN)


def check_database(engine: Engine, writing: Check) -> None:
    """It answers now, and could be written when that was last tried. Raises Unavailable."""
    try:
        with engine.connect() as connection:
            connection.execute(select(1))
    except SQLAlchemyError as error:
        raise Unavailable(database_trouble(error)) from error
    writing()


def write_database(engine: Engine) -> None:
    """It can be written. Raises Unavailable."""
    try:
        Leases(engine).hold("readyz", "anyone", now=utc_now(), ttl=timedelta(0))
    except SQLAlchemyError as error:
        raise Unavailable(database_trouble(error)) from error


def check_store(objects: ObjectStore) -> None:
    """It can be trusted, and written. Raises StorageUnavailable."""
    key = layout.probe("ready")
    try:
        objects.put(key, TRIAL)
        objects.delete(key)
    except Overwrites as error:
        raise StorageUnavailable(str(error)) from error
    except StoreUnavailable as error:
        raise StorageUnavailable(store_trouble(error)) from error


def check_ray(cluster: Cluster, seen: Callable[[], Capacity | None]) -> None:
    """Ray answers, and the reconciler has `seen` what it has: a job's defaults follow from that.
    Raises ClusterUnavailable."""
    cluster.capacity()
    if seen() is None:
        raise ClusterUnavailable("The reconciler has not looked at the cluster yet.")


def check_serve(answers: Callable[[], bool]) -> None:
    """Raises ClusterUnavailable."""
    if not answers():
        raise ClusterUnavailable("Ray Serve does not answer.")


def _trouble(part: tuple[str, Check]) -> str | None:
    name, check = part
    try:
        check()
    except ServiceError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - whatever a part raises, it is not ready
        structlog.get_logger().warning("not_ready", part=name, why=repr(error))
        return "It does not answer; the service's log says why."
    return None
