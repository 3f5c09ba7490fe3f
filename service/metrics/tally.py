"""What `/metrics` asks of the database: an index answers it, however many jobs have ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select

from service.db.tables import DeliveryRow, JobRow
from service.deployments.deployment import Deployment
from service.deployments.store import DeploymentStore
from service.lifecycle import LIVE

JOBS, DELIVERIES = JobRow.__table__.c, DeliveryRow.__table__.c


@dataclass(frozen=True)
class Group:
    """Live jobs that are alike."""

    state: str
    kind: str
    project: str
    reason: str
    count: int
    oldest: datetime
    """When the first of them came into its state."""


@dataclass(frozen=True)
class Tally:
    """The database at one moment."""

    groups: Sequence[Group]
    outbox: int
    """Messages that still wait."""
    due_at: datetime | None
    """When the next of them is due, or was."""
    deployments: Sequence[Deployment]


ALIKE = (JOBS.state, JOBS.kind, JOBS.project, JOBS.reason_code)
GROUPS = (
    select(*ALIKE, func.count(), func.min(JOBS.changed_at))
    .where(JOBS.state.in_([state.value for state in LIVE]))
    .group_by(*ALIKE)
)
WAITING = select(func.count(), func.min(DELIVERIES.next_at)).where(DELIVERIES.next_at.is_not(None))


def take(engine: Engine) -> Tally:
    """Raises what the database raises."""
    with engine.connect() as connection:
        groups = [
            Group(state, kind, project, reason or "", count, oldest)
            for state, kind, project, reason, count, oldest in connection.execute(GROUPS)
        ]
        outbox, due_at = connection.execute(WAITING).one()
    return Tally(groups, outbox, due_at, DeploymentStore(engine).all())
