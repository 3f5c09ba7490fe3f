"""What a project may use at most."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from service.errors import QuotaExceeded
from service.jobs.store import JobStore
from service.keys.quotas import Quotas
from service.keys.service import Keys
from service.keys.store import KeyStore, Quota
from service.lifecycle import State
from tests.api.conftest import LEAST, Service
from tests.jobs import making
from tests.jobs.making import Clock
from tests.keys.project import Project, made


@pytest.fixture
def keys(engine: Engine) -> Keys:
    numbers = iter(range(100))
    return Keys(
        KeyStore(engine), Clock(), lambda: f"key-{next(numbers):02d}", lambda _: str(next(numbers))
    )


def live(engine: Engine, number: int, state: State = State.RUNNING, project: str = "a") -> None:
    JobStore(engine).insert(replace(making.job(number, state=state), project=project))


def test_the_newest_quota_of_a_project_stands(engine: Engine, keys: Keys) -> None:
    quotas = Quotas(keys.store)
    keys.create("a", None, None)
    assert quotas.of("a") is None
    keys.create("a", None, Quota(live_jobs=1, cpus=0.5))
    keys.create("a", None, None)
    keys.create("b", None, Quota(gpus=1))
    assert quotas.of("a") == Quota(live_jobs=1, cpus=0.5)
    keys.create("a", None, Quota(gpus=8))
    assert quotas.of("a") == Quota(gpus=8)
    shown, _ = keys.page(limit=10, cursor=None)
    assert {(key.project, key.quota) for key in shown} == {
        ("a", Quota(gpus=8)),
        ("b", Quota(gpus=1)),
    }


def test_keys_that_are_made_at_the_same_moment_agree_on_one_quota(engine: Engine) -> None:
    store = KeyStore(engine)

    def make(number: int) -> None:
        once = Keys(store, Clock(), lambda: f"key-{number}", lambda _: str(number))
        once.create("a", None, Quota(live_jobs=number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(16)))
    shown, _ = store.page(limit=100, cursor=None)
    assert len(shown) == 16
    assert len({key.quota for key in shown}) == 1


def test_jobs_that_have_not_ended_count_and_others_do_not(engine: Engine, keys: Keys) -> None:
    quotas = Quotas(keys.store)
    keys.create("a", None, Quota(live_jobs=2))
    for number, state in enumerate((State.SUCCEEDED, State.FAILED, State.CANCELLED, State.PAUSED)):
        live(engine, number, state)
    live(engine, 7, project="b")
    quotas.check("a")
    live(engine, 8)
    with pytest.raises(QuotaExceeded, match="2"):
        quotas.check("a")
    quotas.check("b")


def test_no_limit_of_jobs_is_no_limit(engine: Engine, keys: Keys) -> None:
    keys.create("a", None, Quota(cpus=1))
    live(engine, 1)
    Quotas(keys.store).check("a")


def test_a_project_over_its_quota_is_told_when_to_ask_again(service: Service) -> None:
    project = Project(service, made(service, quota={"live_jobs": 1})["key"])
    job = project.ask("POST", "/jobs", LEAST).json()["id"]
    refusal = project.ask("POST", "/jobs", LEAST)
    assert (refusal.status_code, refusal.json()["code"]) == (429, "quota_exceeded")
    assert int(refusal.headers["Retry-After"]) > 0
    assert "ask the administrator" in refusal.json()["detail"]
    assert service.submit().status_code == 201  # others are not concerned
    project.ask("POST", f"/jobs/{job}/cancel")
    again = project.ask("POST", "/jobs", LEAST)
    assert again.status_code == 201
