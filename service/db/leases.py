"""Leases: of several programs on one database, one at a time does a thing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.db.tables import LeaseRow


@dataclass(frozen=True)
class Leases:
    """The clocks of the holders may differ by less than the time to live."""

    engine: Engine

    def hold(self, name: str, holder: str, *, now: datetime, ttl: timedelta) -> bool:
        """Whether `holder` has the lease: taken if it was free, prolonged when half of it is over."""
        found = select(LeaseRow.holder, LeaseRow.expires_at).where(LeaseRow.name == name)
        with self.engine.connect() as connection:
            row = connection.execute(found).first()
        if row is None:
            return self._make(name, holder, now + ttl)
        if row.holder == holder and row.expires_at - now > ttl / 2:
            return True
        if row.holder != holder and row.expires_at > now:
            return False
        take = (
            update(LeaseRow)
            .where(
                LeaseRow.name == name,
                LeaseRow.holder == row.holder,
                LeaseRow.expires_at == row.expires_at,
            )
            .values(holder=holder, expires_at=now + ttl)
        )
        with self.engine.begin() as connection:
            return connection.execute(take).rowcount == 1

    def held(self, name: str, *, now: datetime) -> bool:
        """Whether anybody has the lease."""
        found = select(LeaseRow.expires_at).where(LeaseRow.name == name)
        with self.engine.connect() as connection:
            expires_at = connection.execute(found).scalar()
        return expires_at is not None and expires_at > now

    def release(self, name: str, holder: str) -> None:
        """Let others have the lease at once."""
        mine = delete(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder)
        with self.engine.begin() as connection:
            connection.execute(mine)

    def _make(self, name: str, holder: str, until: datetime) -> bool:
        values = {"name": name, "holder": holder, "expires_at": until}
        try:
            with self.engine.begin() as connection:
                connection.execute(insert(LeaseRow), values)
        except IntegrityError:  # another one was faster
            return False
        return True
