"""Ids that the service makes: they sort by the time they were made, and cannot be guessed."""

from collections.abc import Callable
from datetime import datetime

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in ASCII order: no i, l, o or u to misread."""

TIME_DIGITS = 11
"""Microseconds since 1970 in 55 bits: enough until the year 3111."""
RANDOM_DIGITS = 8


def new_id(kind: str, now: datetime, random_bits: Callable[[int], int]) -> str:
    """`kind`, a dash and 19 digits; `random_bits` is `secrets.randbits`, or a test's."""
    since_1970 = int(now.timestamp() * 1_000_000)
    return f"{kind}-{_digits(since_1970, TIME_DIGITS)}{_digits(random_bits(40), RANDOM_DIGITS)}"


def new_job_id(now: datetime, random_bits: Callable[[int], int]) -> str:
    return new_id("job", now, random_bits)


def _digits(number: int, length: int) -> str:
    return "".join(ALPHABET[number >> shift & 31] for shift in range(5 * (length - 1), -1, -5))
