"""The one place where the service reads the time; everything else is given it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)
