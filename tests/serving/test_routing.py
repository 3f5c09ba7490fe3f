"""Ray Serve's proxy asks all of a version's replicas, and not those of its own node only."""

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.serve.config import RequestRouterConfig

from deploy.routing import TwoOfAll


def choose(replicas: list[Any], request: Any = None) -> list[list[Any]]:
    chosen: list[list[Any]] = asyncio.run(
        TwoOfAll.choose_replicas(cast("TwoOfAll", None), replicas, request)  # needs nothing of it
    )
    return chosen


@pytest.mark.parametrize(("replicas", "asked"), [(1, 1), (2, 2), (5, 2)])
def test_at_most_two_and_never_one_twice(replicas: int, asked: int) -> None:
    (candidates,) = choose(list(range(replicas)))
    assert len(set(candidates)) == len(candidates) == asked


def test_each_replica_is_chosen_as_often() -> None:
    times = Counter(each for _ in range(5_000) for each in choose(list("abcde"))[0])
    assert set(times) == set("abcde")
    assert max(times.values()) < 1.15 * min(times.values())


def test_when_both_are_full_it_waits_before_it_chooses_again() -> None:
    request = SimpleNamespace(routing_context=SimpleNamespace(should_backoff=False))
    choose(["a"], request)
    assert request.routing_context.should_backoff


def test_serve_finds_it() -> None:
    config = RequestRouterConfig(request_router_class=TwoOfAll)
    assert config.get_request_router_class() is TwoOfAll
