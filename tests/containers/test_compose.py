"""Promises of the compose file, and of what it shares with the manifests and the image."""

import json
import re

import compose_spec
import pytest

from deploy.first_secrets import THINGS
from service.settings import Settings
from tests.containers.manifests import ROOT, Object, compose, containers, plain, pods

COMPOSE = compose()
SERVICES: dict[str, Object] = COMPOSE["services"]
PUBLISHED = {"api", "prometheus", "grafana"}
IN_BOTH = {"database": "database", "storage": "storage", "api": "api", "ray-head": "ray-head"}
IN_BOTH |= {"ray-worker": "ray-worker"}
"""Compose's service → the component of Kubernetes."""
KNOWN = {f"RESIDUAL_{name.upper()}" for name in Settings.model_fields}
KNOWN |= {f"{name}_FILE" for name in KNOWN}


def test_it_follows_the_compose_specification() -> None:
    compose_spec.PyCompose.from_json(json.dumps(COMPOSE))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_read_only_and_has_no_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"cap_add", "privileged", "pid", "ipc", "devices"} & service.keys()
    assert service["restart"] == ("no" if name == "secrets" else "unless-stopped")


def test_only_what_people_ask_is_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == PUBLISHED
    for ports in published.values():
        assert all(port.startswith("127.0.0.1:") for port in ports)


def test_only_the_api_is_in_every_network() -> None:
    """The database is the API's alone, and nothing of Ray is where browsers are."""
    members = {
        network: {name for name, each in SERVICES.items() if network in each.get("networks", [])}
        for network in COMPOSE["networks"]
    }
    assert members["database"] == {"api", "database"}
    assert COMPOSE["networks"]["database"] == {"internal": True}
    assert not {"ray-head", "ray-worker", "ray-worker-gpu", "storage"} & members["front"]


def test_a_secret_goes_to_those_who_need_it() -> None:
    given = {
        thing: {
            name
            for name, service in SERVICES.items()
            for volume in service.get("volumes", [])
            if volume == f"secrets-{thing}:/secrets/{thing}:ro"
        }
        for thing in THINGS
    }
    ray = {"ray-head", "ray-worker", "ray-worker-gpu"}
    assert given == {
        "api": {"api"},
        "metrics": {"api", "prometheus"},
        "ray": {"api", "prometheus", *ray},
        "database": {"api", "database"},
        "storage": {"api", "storage", *ray},
        "grafana": {"grafana"},
    }
    assert set(SERVICES["secrets"]["volumes"]) == {
        f"secrets-{thing}:/secrets/{thing}" for thing in THINGS
    }
    assert SERVICES["secrets"]["network_mode"] == "none"


def test_compose_and_kubernetes_run_the_same_images_with_the_same_words() -> None:
    here = {IN_BOTH[name]: SERVICES[name] for name in IN_BOTH}
    there = {
        template["metadata"]["labels"]["app.kubernetes.io/component"]: containers(template)[0]
        for _, template in pods(plain())
    }
    assert there.keys() == here.keys() | {"secrets"}
    for name, container in there.items():
        service = here.get(name, SERVICES["secrets"])
        assert container["image"] == service["image"], name
    assert there["storage"]["args"] == here["storage"]["command"]
    for name in ("ray-head", "ray-worker"):
        words = {*there[name]["command"], *there[name]["args"]}
        said = {*here[name]["entrypoint"], *here[name]["command"]}
        own = ("--node-ip-address", "--num-cpus")
        assert {w for w in words if not w.startswith(own)} == {
            w for w in said if not w.startswith(own)
        }


def test_only_settings_that_exist_are_set() -> None:
    files = [
        ROOT / "docker-compose.yml",
        ROOT / "deploy" / "Dockerfile",
        *(ROOT / "k8s").rglob("*.yaml"),
    ]
    for path in files:
        said = set(re.findall(r"^\s*(?:-\s*name:\s*)?(RESIDUAL_\w+)[:=]", path.read_text(), re.M))
        assert said <= KNOWN, path.name


def test_the_images_version_is_the_projects() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version is not None
    assert f"ARG VERSION={version[1]}" in (ROOT / "deploy" / "Dockerfile").read_text()
    images = {
        container["image"]
        for _, template in pods(plain())
        for container in containers(template)
        if container["image"].startswith("residual")
    }
    assert images == {f"residual:{version[1]}"}
