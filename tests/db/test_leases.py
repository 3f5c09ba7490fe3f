from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from service.db.leases import Leases

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TTL = timedelta(seconds=6)


def test_one_holder_at_a_time(engine: Engine) -> None:
    leases = Leases(engine)
    assert leases.hold("reconciler", "first", now=NOW, ttl=TTL)
    assert leases.hold("reconciler", "first", now=NOW, ttl=TTL)
    assert not leases.hold("reconciler", "second", now=NOW, ttl=TTL)


def test_two_leases_have_nothing_to_do_with_each_other(engine: Engine) -> None:
    leases = Leases(engine)
    assert leases.hold("reconciler", "first", now=NOW, ttl=TTL)
    assert leases.hold("another", "second", now=NOW, ttl=TTL)


def test_a_holder_that_goes_on_keeps_the_lease(engine: Engine) -> None:
    leases = Leases(engine)
    for seconds in range(30):
        now = NOW + timedelta(seconds=seconds)
        assert leases.hold("reconciler", "first", now=now, ttl=TTL)
        assert not leases.hold("reconciler", "second", now=now, ttl=TTL)


def test_the_lease_of_a_dead_holder_is_taken_over_and_the_dead_does_not_get_it_back(
    engine: Engine,
) -> None:
    leases = Leases(engine)
    assert leases.hold("reconciler", "first", now=NOW, ttl=TTL)
    later = NOW + TTL
    assert leases.hold("reconciler", "second", now=later, ttl=TTL)
    assert not leases.hold("reconciler", "first", now=later, ttl=TTL)


def test_a_released_lease_is_free_at_once_and_only_its_holder_releases_it(engine: Engine) -> None:
    leases = Leases(engine)
    assert leases.hold("reconciler", "first", now=NOW, ttl=TTL)
    leases.release("reconciler", "second")
    assert not leases.hold("reconciler", "second", now=NOW, ttl=TTL)
    leases.release("reconciler", "first")
    assert leases.hold("reconciler", "second", now=NOW, ttl=TTL)


def test_of_many_that_ask_at_once_one_gets_it(engine: Engine) -> None:
    leases = Leases(engine)
    for expired in range(3):  # a free lease, then one to take over
        now = NOW + expired * TTL
        with ThreadPoolExecutor(8) as pool:
            names = [f"{expired}-{number}" for number in range(8)]
            got = list(
                pool.map(lambda name: leases.hold("reconciler", name, now=now, ttl=TTL), names)  # noqa: B023
            )
        assert sum(got) == 1
