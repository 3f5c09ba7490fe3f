"""Ensembles in the database: versions, each a list of model versions, under a name of their own. Used by
`Versions`; the only SQL about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.db.tables import EnsembleMemberRow
from trainer.contract.serving import Member

Members = tuple[Member, ...]


@dataclass(frozen=True)
class EnsembleStore:
    """Every method is one transaction."""

    engine: Engine

    def of_name(self, project: str, name: str) -> dict[int, Members]:
        """Every version, by its number; none if it is no ensemble's name."""
        with Session(self.engine) as session:
            return _of_name(session, project, name)

    def number(self, project: str, name: str, members: Members) -> int:
        """The version that has these members, in their order: the one there is, or else a new one. It never
        changes, and its number is not used again."""
        while True:
            try:
                with Session(self.engine) as session, session.begin():
                    known = _of_name(session, project, name)
                    for number, found in known.items():
                        if found == members:
                            return number
                    number = max(known, default=0) + 1
                    session.add_all(_rows(project, name, number, members))
            except IntegrityError:  # another request took the number in between
                continue
            return number


def by_version(rows: Iterable[EnsembleMemberRow]) -> dict[int, Members]:
    """Rows of one name, in the order of version and place."""
    found: dict[int, Members] = {}
    for row in rows:
        member = Member(model=row.model, version=row.model_version)
        found[row.version] = (*found.get(row.version, ()), member)
    return found


def _of_name(session: Session, project: str, name: str) -> dict[int, Members]:
    rows = (
        select(EnsembleMemberRow)
        .where(EnsembleMemberRow.project == project, EnsembleMemberRow.name == name)
        .order_by(EnsembleMemberRow.version, EnsembleMemberRow.place)
    )
    return by_version(session.scalars(rows))


def _rows(
    project: str, name: str, number: int, members: Sequence[Member]
) -> list[EnsembleMemberRow]:
    return [
        EnsembleMemberRow(
            project=project,
            name=name,
            version=number,
            place=place,
            model=each.model,
            model_version=each.version,
        )
        for place, each in enumerate(members)
    ]
