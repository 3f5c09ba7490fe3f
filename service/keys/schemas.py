"""What the routes of keys take and give."""

from dataclasses import asdict
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from service.http.example import example
from service.keys.store import Key, Quota
from trainer.contract.names import Name

MOST_JOBS = 2**31 - 1
MOST_UNITS = 1e6

_KEY = Key(
    id="key-1k0y64et6dng0az10y5",
    project="vision",
    name="The vision team's CI",
    created_at=datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
    quota=Quota(live_jobs=100, cpus=64, gpus=8),
)


class QuotaIn(BaseModel, extra="forbid", use_attribute_docstrings=True):
    """What a project may use at most. What is left out has no limit."""

    live_jobs: int | None = Field(default=None, ge=0, le=MOST_JOBS)
    """Jobs that have not ended."""
    cpus: float | None = Field(default=None, ge=0, le=MOST_UNITS)
    """At once, over all its jobs."""
    gpus: float | None = Field(default=None, ge=0, le=MOST_UNITS)
    """At once, over all its jobs."""

    def decided(self) -> Quota:
        return Quota(live_jobs=self.live_jobs, cpus=self.cpus, gpus=self.gpus)


class KeyIn(BaseModel):
    """Make a key of a project; a project is there as soon as it has one."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {"project": "vision", "name": "The vision team's CI", "quota": {"gpus": 8}}
            ]
        },
    )

    project: Name
    name: str | None = Field(default=None, max_length=200, pattern=r"^[^\x00-\x1f]*$")
    """Free text on one line."""
    quota: QuotaIn | None = None
    """Replaces the quota of the project. Default: that stays as it is; at first it has no limits."""


class KeyOut(BaseModel, use_attribute_docstrings=True):
    """A key, without what it is opened by."""

    id: str
    project: str
    name: str | None
    created_at: datetime
    quota: QuotaIn | None
    """Of its project, now; null: it has no limits."""

    @classmethod
    def of(cls, key: Key) -> "KeyOut":
        return cls(
            id=key.id,
            project=key.project,
            name=key.name,
            created_at=key.created_at,
            quota=QuotaIn(**asdict(key.quota)) if key.quota else None,
        )


class KeyMadeOut(KeyOut):
    """A new key."""

    model_config = ConfigDict(
        json_schema_extra=example(
            lambda: KeyMadeOut.made(_KEY, "rsd_bm90IGEga2V5LCBidXQgYW4gZXhhbXBsZSBvZiBvbmU")
        )
    )

    key: str
    """What its owner sends as `Authorization: Bearer KEY`. It is shown only here."""

    @classmethod
    def made(cls, key: Key, secret: str) -> "KeyMadeOut":
        return cls(key=secret, **KeyOut.of(key).model_dump())


class KeysOut(BaseModel):
    """A page of keys, newest first."""

    model_config = ConfigDict(
        json_schema_extra=example(lambda: KeysOut(items=[KeyOut.of(_KEY)], next_cursor=None))
    )

    items: list[KeyOut]
    next_cursor: str | None
