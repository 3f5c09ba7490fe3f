"""Every metric, and every label, that the board and the alerts ask for exists: neither can rot."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.metrics.catalogue import METRICS
from tests.api.conftest import Service
from tests.metrics.promtool import promtool
from tests.metrics.test_alerts import alerts

DEPLOY = Path(__file__).parents[2] / "deploy"
GRAFANA = DEPLOY / "grafana"
BOARD = GRAFANA / "dashboards" / "residual.json"
NAME = re.compile(r"\b((?:residual|ray|process)_\w+)(?:\{([^}]*)\})?")
BY_PROMETHEUS = {"job", "instance", "le"}
RAYS_OWN = {"ray_node_gpus_utilization"}


def panels() -> list[dict[str, Any]]:
    board = json.loads(BOARD.read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for rule in alerts())


def of_replicas() -> set[str]:
    """What serving replicas offer, under the names that Ray gives it."""
    source = (DEPLOY / "metrics.py").read_text()
    kinds = re.findall(r'metrics\.(Histogram|Counter)\(\s*"(\w+)"', source)
    return {f"ray_{name}" + ("_total" if kind == "Counter" else "") for kind, name in kinds}


def bare(name: str) -> str:
    """A histogram's own name."""
    return name.removesuffix("_bucket")


def test_every_metric_that_is_asked_for_exists(service: Service) -> None:
    live = re.findall(r"^# TYPE (\w+) ", service.client.get("/metrics").text, re.M)
    known = {*live, *of_replicas(), *RAYS_OWN}
    asked = {bare(name) for text in expressions() for name, _ in NAME.findall(text)}
    assert asked - known == set()


def test_the_board_shows_every_metric_there_is() -> None:
    asked = {bare(name) for text in expressions() for name, _ in NAME.findall(text)}
    unseen = {metric.name for metric in METRICS} | of_replicas()
    assert unseen - asked == {"residual_job_info"}  # only there to join others by


def test_every_label_that_is_asked_for_exists() -> None:
    labels = {metric.name: {*metric.labels, *BY_PROMETHEUS} for metric in METRICS}
    for text in expressions():
        for name, matchers in NAME.findall(text):
            if bare(name) in labels:
                asked = set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", matchers))
                assert asked <= labels[bare(name)], text


def test_ray_measures_what_is_asked_of_it() -> None:
    found = importlib.util.find_spec("ray")
    assert found is not None
    (folder,) = found.submodule_search_locations or [""]
    agent = Path(folder, "dashboard", "modules", "reporter", "reporter_agent.py").read_text()
    for name in RAYS_OWN:
        assert f'"{name.removeprefix("ray_")}"' in agent


def test_every_question_is_one_that_prometheus_understands(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "1m")}
        for number, text in enumerate(expressions())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    promtool("check", "rules", file)


def test_every_panel_says_what_it_shows_and_none_lies_over_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith((".", "Runbook."))
        at = panel["gridPos"]
        area = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not area & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= area


@pytest.mark.parametrize(
    "file", sorted((GRAFANA / "provisioning").rglob("*.yml")), ids=lambda f: f.name
)
def test_what_grafana_is_given_is_of_its_first_version(file: Path) -> None:
    assert yaml.safe_load(file.read_text())["apiVersion"] == 1
