"""What projects held of the cluster lately. In the database: a program that takes over, and one that only
shows the line, know it too."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp

from sqlalchemy import Engine, delete, insert, select

from service.db.tables import UsageRow

MEMORY = timedelta(minutes=10)
"""What was held that long ago counts 1/e of what is held now."""
FORGOTTEN = 0.001
"""A mean share below which a project that holds nothing has no row."""


@dataclass(frozen=True)
class Usage:
    """The exponential mean of each project's share of the cluster, from 0 to 1."""

    engine: Engine

    def lately(self, now: datetime) -> dict[str, float]:
        """By project; those that held nothing worth mentioning are left out."""
        with self.engine.connect() as connection:
            found = connection.execute(select(*UsageRow.__table__.c)).all()
        return {row.project: row.share * _kept(row.at, now) for row in found}

    def note(self, shares: Mapping[str, float], now: datetime) -> None:
        """Each project holds such a share of the cluster, and has since the last note. A project's first
        note only begins its account. One program at a time does this, every few seconds."""
        with self.engine.connect() as connection:
            had = connection.execute(select(*UsageRow.__table__.c)).all()
        if not had and not shares:
            return
        means = dict.fromkeys(shares, 0.0)
        for row in had:
            kept = _kept(row.at, now)
            means[row.project] = row.share * kept + shares.get(row.project, 0.0) * (1 - kept)
        rows = [
            {"project": project, "share": mean, "at": now}
            for project, mean in means.items()
            if project in shares or mean > FORGOTTEN
        ]
        with self.engine.begin() as connection:
            connection.execute(delete(UsageRow))
            if rows:
                connection.execute(insert(UsageRow), rows)


def _kept(at: datetime, now: datetime) -> float:
    """How much of a mean of that time still counts. Clocks of two programs may differ a little."""
    return exp(-max(now - at, timedelta(0)) / MEMORY)
