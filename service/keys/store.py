"""Keys and quotas in the database. Used by `Keys` and `Quotas`."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.db.tables import JobRow, KeyRow, QuotaRow
from service.jobs.rows import AnyRow
from service.lifecycle import LIVE

KEYS = KeyRow.__table__.c
QUOTAS = QuotaRow.__table__.c
JOBS = JobRow.__table__.c


@dataclass(frozen=True)
class Quota:
    """What a project may use at most; None is no limit."""

    live_jobs: int | None = None
    """Jobs that have not ended."""
    cpus: float | None = None
    """At once."""
    gpus: float | None = None
    """At once."""


@dataclass(frozen=True)
class Key:
    """A key, without what it is opened by."""

    id: str
    """Ascends with the time of creation."""
    project: str
    name: str | None
    created_at: datetime
    quota: Quota | None
    """Of its project."""


@dataclass(frozen=True)
class KeyStore:
    """Every method is one transaction."""

    engine: Engine

    def insert(self, key: Key, sha256: str) -> Key:
        """Keep a key; its quota, if it has one, is its project's from now on. The key as it is kept."""
        values = {
            "id": key.id,
            "project": key.project,
            "name": key.name,
            "sha256": sha256,
            "created_at": key.created_at,
        }
        with self.engine.begin() as connection:
            connection.execute(insert(KeyRow), values)
            if key.quota:
                _set_quota(connection, key.project, key.quota)
            return _key(connection.execute(_keys().where(KEYS.id == key.id)).one())

    def page(self, *, limit: int, cursor: str | None) -> tuple[list[Key], str | None]:
        """Keys, newest first, after `cursor`; and the cursor of the next page."""
        wanted = _keys().where(KEYS.id < cursor) if cursor else _keys()
        with self.engine.connect() as connection:
            found = connection.execute(wanted.order_by(KEYS.id.desc()).limit(limit + 1))
            keys = [_key(row) for row in found]
        return keys[:limit], keys[limit - 1].id if len(keys) > limit else None

    def delete(self, key_id: str) -> bool:
        """Whether it was there."""
        with self.engine.begin() as connection:
            return connection.execute(delete(KeyRow).where(KEYS.id == key_id)).rowcount == 1

    def project_of(self, sha256: str) -> str | None:
        """The project of the key with that digest."""
        with self.engine.connect() as connection:
            return connection.execute(select(KEYS.project).where(KEYS.sha256 == sha256)).scalar()

    def quota(self, project: str) -> Quota | None:
        wanted = select(QUOTAS.live_jobs, QUOTAS.cpus, QUOTAS.gpus).where(QUOTAS.project == project)
        with self.engine.connect() as connection:
            row = connection.execute(wanted).first()
        return Quota(*row) if row else None

    def live_jobs(self, project: str) -> int:
        """How many jobs of a project have not ended."""
        live = [state.value for state in LIVE]
        wanted = select(func.count()).where(JOBS.project == project, JOBS.state.in_(live))
        with self.engine.connect() as connection:
            return connection.execute(wanted).scalar_one()


def _set_quota(connection: Connection, project: str, quota: Quota) -> None:
    values = asdict(quota)
    change = update(QuotaRow).where(QUOTAS.project == project).values(values)
    if connection.execute(change).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(QuotaRow), values | {"project": project})
    except IntegrityError:  # another request made it in between
        connection.execute(change)


def _keys() -> Select[tuple[object, ...]]:
    """Keys with their projects' quotas."""
    of_key = (KEYS.id, KEYS.project, KEYS.name, KEYS.created_at)
    of_quota = (QUOTAS.project.label("limited"), QUOTAS.live_jobs, QUOTAS.cpus, QUOTAS.gpus)
    same = KEYS.project == QUOTAS.project
    return select(*of_key, *of_quota).outerjoin_from(KeyRow, QuotaRow, same)


def _key(row: AnyRow) -> Key:
    quota = Quota(row.live_jobs, row.cpus, row.gpus) if row.limited else None
    return Key(row.id, row.project, row.name, row.created_at, quota)
