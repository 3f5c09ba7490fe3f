"""Alerts name metrics that exist, fire when they should, and each leads to a runbook."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.conftest import Service
from tests.metrics.promtool import promtool

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
CASES = Path(__file__).with_name("alerts.test.yml")
RUNBOOKS = ROOT / "docs" / "runbooks.md"


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    headings = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.M)
    assert headings == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        wanted = f"docs/runbooks.md#{rule['alert'].lower()}"
        assert rule["annotations"]["runbook_url"] == wanted


def test_every_runbook_says_what_is_wrong_how_to_look_and_how_to_mend() -> None:
    for section in RUNBOOKS.read_text().split("\n## ")[1:]:
        for part in ("**Symptom.**", "**Look.**", "**Mend.**"):
            assert part in section, section.split("\n")[0]


def test_every_alert_says_how_urgent_it_is() -> None:
    assert {rule["labels"]["severity"] for rule in alerts()} == {"page", "ticket"}


def test_for_every_alert_it_is_shown_when_it_fires_and_when_not() -> None:
    shown: dict[str, set[bool]] = {}
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        for one in case["alert_rule_test"]:
            shown.setdefault(one["alertname"], set()).add(bool(one["exp_alerts"]))
    assert shown == {rule["alert"]: {True, False} for rule in alerts()}


def test_the_alerts_fire_when_they_should() -> None:
    promtool("check", "rules", RULES)
    promtool("test", "rules", CASES)


def test_containers_are_scraped_as_a_laptop_is() -> None:
    plain, compose = (
        yaml.safe_load(RULES.with_name(name).read_text())
        for name in ("prometheus.yml", "compose.yml")
    )
    for each in (plain, compose):
        each["jobs"] = [job["job_name"] for job in each.pop("scrape_configs")]
    assert plain == compose


@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml"])
def test_prometheus_takes_the_configuration(name: str) -> None:
    promtool("check", "config", "--syntax-only", RULES.with_name(name))


@pytest.mark.parametrize("jobs", [0, 3])
def test_prometheus_finds_nothing_wrong_with_the_metrics(service: Service, jobs: int) -> None:
    for _ in range(jobs):
        service.submit(workers=2)
        service.parts.reconciler.tick()
    service.client.get("/no/such/path")
    said = promtool("check", "metrics", given=service.client.get("/metrics").text)
    assert said == ""
