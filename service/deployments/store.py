"""Deployments in the database. Used by `Deployments` and `Rollout`; the only SQL about them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Engine, and_, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.db.tables import AliasRow, DeploymentRow, EnsembleMemberRow
from service.deployments.deployment import PENDING, Actual, CanarySeen, Deployment, Desired
from service.deployments.ensembles import Members, by_version

Name = tuple[str, str]
"""Project and name."""


@dataclass
class Changes:
    """How many this process made."""

    count: int = 0


@dataclass(frozen=True)
class DeploymentStore:
    """Every method is one transaction."""

    engine: Engine
    changes: Changes = field(default_factory=Changes)

    def get(self, project: str, name: str) -> Deployment | None:
        return next(iter(self._select(*_key(project, name))), None)

    def of_project(self, project: str) -> list[Deployment]:
        """By name."""
        return self._select(DeploymentRow.project == project)

    def all(self) -> list[Deployment]:
        """By project and name."""
        return self._select()

    def ask(  # noqa: PLR0913 - what is wanted, and what is known of it already
        self,
        project: str,
        name: str,
        desired: Desired,
        *,
        actual: Actual,
        at: datetime,
        canary: CanarySeen | None = None,
    ) -> None:
        """Note what is wanted; what serves goes on serving."""
        values: dict[str, Any] = {
            "desired": desired.model_dump(mode="json"),
            "actual": actual.model_dump(mode="json"),
            "message": None,
            "canary": _dumped(canary),
            "changed_at": at,
        }
        change = update(DeploymentRow).where(*_key(project, name)).values(values)
        if self._touches(change):
            return
        row = DeploymentRow(
            project=project, name=name, serving_version=None, previous_version=None, **values
        )
        try:
            with Session(self.engine) as session, session.begin():
                session.add(row)
        except IntegrityError:  # another request made it in between
            self._touches(change)
        self.changes.count += 1

    def note(self, seen: Deployment) -> bool:
        """Note what was seen, unless something else was asked for meanwhile; whether it was noted."""
        change = (
            update(DeploymentRow)
            .where(*_key(seen.project, seen.name), DeploymentRow.changed_at == seen.changed_at)
            .values(
                serving_version=seen.serving_version,
                previous_version=seen.previous_version,
                actual=seen.actual.model_dump(mode="json"),
                canary=_dumped(seen.canary_seen),
                message=seen.message,
            )
        )
        return self._touches(change)

    def delete(self, project: str, name: str) -> bool:
        """Whether there was one."""
        return self._touches(delete(DeploymentRow).where(*_key(project, name)))

    def _select(self, *where: ColumnElement[bool]) -> list[Deployment]:
        followed = and_(
            AliasRow.project == DeploymentRow.project,
            AliasRow.name == DeploymentRow.name,
            AliasRow.alias == DeploymentRow.desired["alias"].as_string(),
        )
        rows = (
            select(DeploymentRow, AliasRow.version)
            .outerjoin(AliasRow, followed)
            .where(*where)
            .order_by(DeploymentRow.project, DeploymentRow.name)
        )
        of_ensembles = and_(
            EnsembleMemberRow.project == DeploymentRow.project,
            EnsembleMemberRow.name == DeploymentRow.name,
        )
        members = (
            select(EnsembleMemberRow)
            .join(DeploymentRow, of_ensembles)
            .where(*where)
            .order_by(EnsembleMemberRow.version, EnsembleMemberRow.place)
        )
        with Session(self.engine) as session:
            ensembles = _ensembles(session.scalars(members))
            return list(_deployments(session.execute(rows), ensembles))

    def _touches(self, change: Any) -> bool:
        with Session(self.engine) as session, session.begin():
            result = session.execute(change)
            touched = isinstance(result, CursorResult) and result.rowcount > 0
        self.changes.count += 1  # once it can be read
        return touched


def _key(project: str, name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return DeploymentRow.project == project, DeploymentRow.name == name


def _dumped(canary: CanarySeen | None) -> dict[str, Any] | None:
    return canary.model_dump(mode="json") if canary else None


def _ensembles(rows: Iterable[EnsembleMemberRow]) -> dict[Name, dict[int, Members]]:
    by_name: dict[Name, list[EnsembleMemberRow]] = {}
    for row in rows:
        by_name.setdefault((row.project, row.name), []).append(row)
    return {name: by_version(found) for name, found in by_name.items()}


def _deployments(
    rows: Iterable[tuple[DeploymentRow, int | None]], ensembles: dict[Name, dict[int, Members]]
) -> Iterator[Deployment]:
    for row, aliased in rows:
        desired = Desired.model_validate(row.desired)
        yield Deployment(
            project=row.project,
            name=row.name,
            desired=desired,
            target=aliased if desired.alias else desired.version,
            serving_version=row.serving_version,
            actual=Actual.model_validate(row.actual) if row.actual else PENDING,
            message=row.message,
            changed_at=row.changed_at,
            canary_seen=CanarySeen.model_validate(row.canary) if row.canary else None,
            previous_version=row.previous_version,
            ensembles=ensembles.get((row.project, row.name), {}),
        )
