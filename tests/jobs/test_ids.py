import re
import secrets
from datetime import UTC, datetime, timedelta

from service.clock import utc_now
from service.ids import new_job_id
from trainer.contract.names import NAME_PATTERN, submission_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_id_is_a_name_also_as_a_submission() -> None:
    made = new_job_id(NOW, secrets.randbits)
    assert re.fullmatch(NAME_PATTERN, made)
    assert re.fullmatch(NAME_PATTERN, submission_id(made, 99_999))


def test_ids_ascend_with_time_whatever_chance_says() -> None:
    steps = [timedelta(microseconds=1), timedelta(days=1), timedelta(days=365_000)]
    made = [new_job_id(NOW, lambda bits: 2**bits - 1)]
    made += [new_job_id(NOW + step, lambda bits: 0) for step in steps]
    assert made == sorted(made)
    assert len(set(map(len, made))) == 1


def test_ids_of_one_moment_differ() -> None:
    assert len({new_job_id(NOW, secrets.randbits) for _ in range(1000)}) == 1000


def test_the_clock_says_its_zone() -> None:
    assert utc_now().tzinfo is UTC
