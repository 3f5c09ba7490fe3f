"""Random requests about keys and webhooks: the answer is a success or a problem, and never a 500."""

import json
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Service

TEXTS = st.text(max_size=20) | st.sampled_from(["\0", "🚀", "../..", "", "A" * 300, "vision"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXTS
    | st.sampled_from(["\ud800", "https://127.0.0.1:1/", 10**40, 2**31, 1e308])
)
FIELDS = ("project", "name", "quota", "live_jobs", "cpus", "gpus", "url", "states")
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
)
KEYS = st.fixed_dictionaries(
    {"project": st.just("vision")},
    optional={
        "name": VALUES,
        "quota": st.fixed_dictionaries(
            {}, optional={"live_jobs": VALUES, "cpus": VALUES, "gpus": VALUES}
        ),
    },
)
often = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def is_answered(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["status"] == answer.status_code
        assert answer.json()["detail"]


@often
@given(body=VALUES | KEYS)
@example(body={"project": "vision", "name": "\0"})
@example(body={"project": "vision", "name": "half a pair \ud800"})
@example(body={"project": "vision", "quota": {"live_jobs": 2**31 - 1, "cpus": 1e6, "gpus": 5e-324}})
@example(body={"url": "https://127.0.0.1:1/\0", "states": ["failed"]})
def test_any_body_is_taken_or_refused(on_either: Service, body: Any) -> None:
    headers = {"Content-Type": "application/json"}
    for path in ("/keys", "/webhooks"):
        is_answered(on_either.client.post(path, content=json.dumps(body), headers=headers))
    is_answered(on_either.client.get("/keys?limit=500"))


@often
@given(name=TEXTS, key=st.text(max_size=30))
@example(name="a", key="rsd_\0")
def test_any_name_and_any_key_is_answered(on_either: Service, name: str, key: str) -> None:
    there = quote(name, safe="") or "a"
    is_answered(on_either.client.get(f"/keys?cursor={there}"))
    is_answered(on_either.client.delete(f"/keys/{there}"))
    is_answered(on_either.client.delete(f"/webhooks/{there}"))
    is_answered(on_either.client.post(f"/webhooks/{there}/test"))
    headers = {"Authorization": f"Bearer rsd_{key}".encode()}
    assert on_either.client.get("/jobs", headers=headers).status_code == 401
