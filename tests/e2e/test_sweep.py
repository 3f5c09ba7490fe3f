"""Sweeps through REST, on a real Ray Tune."""

from typing import Any

import pytest

from tests.local.running import Running
from tests.waiting import until

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

SHORT = {
    "kind": "sweep",
    "dataset": "digits",
    "epochs": 2,
    "batch_size": 256,
    "workers": 1,
    "recipe": {"channels_last": False},
}
ENDS_WITHIN_S = 300


def _sweep(running: Running, **fields: object) -> dict[str, Any]:
    job = running.submit(**(SHORT | fields))
    return running.until_ended(job, within_s=ENDS_WITHIN_S)


def _trials(running: Running, sweep: str) -> list[dict[str, Any]]:
    with running.http() as http:
        found: list[dict[str, Any]] = (
            http.get(f"/jobs/{sweep}/trials").raise_for_status().json()["items"]
        )
    return found


def test_a_grid_is_trained_two_at_a_time_and_reported(running: Running) -> None:
    ended = _sweep(
        running,
        space={"arch": ["plain8", "resnet8"], "seed": [0, 1]},
        search={"at_once": 2},
        register_as="swept",
    )
    assert ended["state"] == "succeeded", ended["reason"]
    trials = _trials(running, ended["id"])
    assert [trial["point"] for trial in trials] == [
        {"arch": arch, "seed": seed} for arch in ("plain8", "resnet8") for seed in (0, 1)
    ]
    assert [(trial["state"], trial["epoch"]) for trial in trials] == [("succeeded", 2)] * 4
    best = min(trials, key=lambda trial: (trial["lowest"], trial["number"]))
    assert ended["result"]["trial"] == {
        "number": best["number"],
        "job": best["job"],
        "metric": "top1_error",
        "value": best["lowest"],
    }
    with running.http() as http:
        made = http.get("/models/swept").json()
        report = http.get(f"/jobs/{ended['id']}/report").raise_for_status().json()
        text = http.get(f"/jobs/{ended['id']}/report", headers={"Accept": "text/markdown"}).text
        picture = http.get(f"/jobs/{ended['id']}/report", headers={"Accept": "image/png"}).content
        page = http.get(f"/jobs/{ended['id']}/report", headers={"Accept": "text/html,image/png"})
    assert made["versions"][0]["job"] == best["job"]
    assert len(report["rows"]) == 2
    assert "resnet8" in text.lower().replace("-", "")
    assert picture.startswith(b"\x89PNG")
    assert page.text.startswith("<!doctype html>")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.long
def test_asha_ends_the_worse_trials_early(running: Running) -> None:
    rates = [0.1, 0.0001, 0.00001, 0.000001]
    ended = _sweep(
        running,
        arch="resnet8",
        epochs=3,
        space=[{"recipe.learning_rate": rate} for rate in rates],
        search={"name": "asha", "at_once": 1, "reduction": 2},
    )
    assert ended["state"] == "succeeded", ended["reason"]
    trials = _trials(running, ended["id"])
    assert len(trials) == 4
    spent = sum(trial["epoch"] for trial in trials)
    assert 4 <= spent < 12
    stopped = [trial for trial in trials if trial["reason"]["code"] == "stopped_by_search"]
    assert stopped
    assert ended["result"]["trial"]["job"] not in {trial["job"] for trial in stopped}


@pytest.mark.long
def test_optuna_chooses_points_and_goes_on_with_more_of_them(running: Running) -> None:
    rate = {"min": 0.001, "max": 1.0, "log": True}
    ended = _sweep(
        running,
        arch="resnet8",
        epochs=1,
        space={"recipe.learning_rate": rate, "shortcut": ["A", "B"]},
        search={"name": "optuna", "trials": 2, "at_once": 1},
    )
    assert ended["state"] == "succeeded", ended["reason"]
    first = _trials(running, ended["id"])
    with running.http() as http:
        http.post(f"/jobs/{ended['id']}/resume", json={"trials": 3}).raise_for_status()
    again = running.until_ended(ended["id"], within_s=ENDS_WITHIN_S)
    assert (again["state"], again["attempt"]) == ("succeeded", 2), again["reason"]
    both = _trials(running, ended["id"])
    assert [trial["job"] for trial in both[:2]] == [trial["job"] for trial in first]
    assert [(trial["number"], trial["state"]) for trial in both] == [
        (number, "succeeded") for number in (1, 2, 3)
    ]
    assert all(0.001 <= trial["point"]["recipe.learning_rate"] <= 1 for trial in both)


def test_a_search_whose_driver_is_killed_goes_on_and_tries_nothing_twice(running: Running) -> None:
    sweep = running.submit(**SHORT, arch="resnet8", space={"seed": [0, 1]}, search={"at_once": 1})
    until(lambda: any(each["state"] == "running" for each in _trials(running, sweep)), within_s=120)
    (driver,) = [
        each
        for each in running.left()
        if "trainer.run" in each.cmdline() and sweep in each.cmdline()
    ]
    driver.kill()
    ended = running.until_ended(sweep, within_s=ENDS_WITHIN_S)
    assert (ended["state"], ended["attempt"]) == ("succeeded", 2), ended["reason"]
    trials = _trials(running, sweep)
    assert [(each["number"], each["point"], each["state"]) for each in trials] == [
        (number, {"seed": number - 1}, "succeeded") for number in (1, 2)
    ]
    with running.http() as http:
        attempts = [http.get(f"/jobs/{each['job']}").json()["attempt"] for each in trials]
    assert attempts == [1, 1]


@pytest.mark.long
def test_a_cancelled_sweep_leaves_no_trial_behind(running: Running) -> None:
    sweep = running.submit(
        **(SHORT | {"epochs": 100}), arch="resnet8", space={"seed": [0, 1]}, search={"at_once": 2}
    )
    until(lambda: any(each["state"] == "running" for each in _trials(running, sweep)), within_s=120)
    with running.http() as http:
        http.post(f"/jobs/{sweep}/cancel").raise_for_status()
    assert running.until_ended(sweep)["state"] == "cancelled"
    until(lambda: {each["state"] for each in _trials(running, sweep)} == {"cancelled"}, within_s=20)
    codes = {each["reason"]["code"] for each in _trials(running, sweep)}
    assert codes == {"cancelled_with_sweep"}
