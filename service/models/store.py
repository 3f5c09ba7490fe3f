"""Model versions and aliases in the database. Used by `Models`; the only SQL about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Engine,
    SQLColumnExpression,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.db.tables import AliasRow, DeploymentRow, EnsembleMemberRow, ModelVersionRow
from trainer.contract.checkpoints import CheckpointMeta


@dataclass(frozen=True)
class ModelVersion:
    """An immutable version of a model: what it is, and where it came from."""

    project: str
    name: str
    version: int
    """From 1; a number is never used twice."""
    origin: str
    """Prefix of the checkpoint it was made of."""
    meta: CheckpointMeta
    created_at: datetime


@dataclass(frozen=True)
class ModelStore:
    """Every method is one transaction."""

    engine: Engine

    def insert(self, made: ModelVersion) -> None:
        row = ModelVersionRow(
            project=made.project,
            name=made.name,
            version=made.version,
            origin=made.origin,
            job_id=made.meta.job_id,
            meta=made.meta.model_dump(mode="json"),
            created_at=made.created_at,
        )
        with Session(self.engine) as session, session.begin():
            session.add(row)

    def version(self, project: str, name: str, number: int) -> ModelVersion | None:
        with Session(self.engine) as session:
            row = session.get(ModelVersionRow, (project, name, number))
            return _version(row) if row else None

    def versions(self, project: str, name: str) -> list[ModelVersion]:
        """All versions of a model, newest first."""
        rows = (
            select(ModelVersionRow)
            .where(ModelVersionRow.project == project, ModelVersionRow.name == name)
            .order_by(ModelVersionRow.version.desc())
        )
        with Session(self.engine) as session:
            return [_version(row) for row in session.scalars(rows)]

    def of_origin(self, project: str, name: str, origin: str) -> ModelVersion | None:
        """A version that was made of that checkpoint."""
        rows = select(ModelVersionRow).where(
            ModelVersionRow.project == project,
            ModelVersionRow.name == name,
            ModelVersionRow.origin == origin,
        )
        with Session(self.engine) as session:
            row = session.scalars(rows.limit(1)).first()
            return _version(row) if row else None

    def newest(self, project: str, *, limit: int, after: str) -> list[ModelVersion]:
        """The newest version of each model whose name comes after `after`, by name."""
        heads = (
            select(ModelVersionRow.name, func.max(ModelVersionRow.version).label("version"))
            .where(ModelVersionRow.project == project, ModelVersionRow.name > after)
            .group_by(ModelVersionRow.name)
            .order_by(ModelVersionRow.name)
            .limit(limit)
            .subquery()
        )
        rows = (
            select(ModelVersionRow)
            .join(
                heads,
                (ModelVersionRow.name == heads.c.name)
                & (ModelVersionRow.version == heads.c.version),
            )
            .where(ModelVersionRow.project == project)
            .order_by(ModelVersionRow.name)
        )
        with Session(self.engine) as session:
            return [_version(row) for row in session.scalars(rows)]

    def delete_unused(self, project: str, name: str, number: int) -> bool:
        """Delete a version, unless an alias, a deployment or an ensemble that is deployed names it; whether
        it was deleted."""
        aliased = exists().where(
            AliasRow.project == project, AliasRow.name == name, AliasRow.version == number
        )
        deployed = exists().where(
            DeploymentRow.project == project,
            DeploymentRow.name == name,
            _runs(literal(number)),
        )
        member = exists().where(
            EnsembleMemberRow.project == project,
            EnsembleMemberRow.model == name,
            EnsembleMemberRow.model_version == number,
            DeploymentRow.project == project,
            DeploymentRow.name == EnsembleMemberRow.name,
            _runs(EnsembleMemberRow.version),
        )
        statement = delete(ModelVersionRow).where(
            ModelVersionRow.project == project,
            ModelVersionRow.name == name,
            ModelVersionRow.version == number,
            ~aliased,
            ~deployed,
            ~member,
        )
        with Session(self.engine) as session, session.begin():
            return _touched(session.execute(statement))

    def is_ensemble(self, project: str, name: str) -> bool:
        """Whether the name is an ensemble's."""
        rows = select(EnsembleMemberRow.version).where(
            EnsembleMemberRow.project == project, EnsembleMemberRow.name == name
        )
        with Session(self.engine) as session:
            return session.scalars(rows.limit(1)).first() is not None

    def aliases(self, project: str, names: Iterable[str]) -> dict[str, dict[str, int]]:
        """Model → alias → version, of the models that have any."""
        rows = (
            select(AliasRow)
            .where(AliasRow.project == project, AliasRow.name.in_(list(names)))
            .order_by(AliasRow.alias)
        )
        found: dict[str, dict[str, int]] = {}
        with Session(self.engine) as session:
            for row in session.scalars(rows):
                found.setdefault(row.name, {})[row.alias] = row.version
        return found

    def point(self, project: str, name: str, alias: str, number: int, at: datetime) -> None:
        """Let `alias` mean a version from now on."""
        move = (
            update(AliasRow)
            .where(AliasRow.project == project, AliasRow.name == name, AliasRow.alias == alias)
            .values(version=number, changed_at=at)
        )
        with Session(self.engine) as session, session.begin():
            if _touched(session.execute(move)):
                return
        row = AliasRow(project=project, name=name, alias=alias, version=number, changed_at=at)
        try:
            with Session(self.engine) as session, session.begin():
                session.add(row)
        except IntegrityError:  # another request made it in between
            with Session(self.engine) as session, session.begin():
                session.execute(move)

    def drop_alias(self, project: str, name: str, alias: str) -> bool:
        """Delete an alias, unless a deployment follows it; whether it was deleted."""
        followed = exists().where(
            DeploymentRow.project == project,
            DeploymentRow.name == name,
            DeploymentRow.desired["alias"].as_string() == alias,
        )
        statement = delete(AliasRow).where(
            AliasRow.project == project, AliasRow.name == name, AliasRow.alias == alias, ~followed
        )
        with Session(self.engine) as session, session.begin():
            return _touched(session.execute(statement))


def _runs(version: SQLColumnExpression[int]) -> ColumnElement[bool]:
    """Whether a deployment needs that version."""
    return or_(
        DeploymentRow.serving_version == version,
        DeploymentRow.desired["version"].as_integer() == version,
        DeploymentRow.desired[("canary", "version")].as_integer() == version,
    )


def _version(row: ModelVersionRow) -> ModelVersion:
    return ModelVersion(
        project=row.project,
        name=row.name,
        version=row.version,
        origin=row.origin,
        meta=CheckpointMeta.model_validate(row.meta),
        created_at=row.created_at,
    )


def _touched(result: object) -> bool:
    return isinstance(result, CursorResult) and result.rowcount > 0
