"""What the compose file and the Kubernetes manifests say, as plain data. Used by the tests beside it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
BUILT = ("base", "overlays/dev", "overlays/gpu", "overlays/external-s3", "kuberay")
"""What `kubectl apply -k` takes."""
POD_OF = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "Job": ("spec", "template"),
}

Object = dict[str, Any]


def read(*paths: Path) -> list[Object]:
    return [each for path in paths for each in yaml.safe_load_all(path.read_text()) if each]


def plain() -> list[Object]:
    """What `kubectl apply -f k8s/` makes."""
    return read(*sorted(K8S.glob("*.yaml")))


@cache
def _built(folder: str) -> str:
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl")
    command = ["kubectl", "kustomize", str(K8S / folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def built(folder: str) -> list[Object]:
    """What `kubectl apply -k k8s/<folder>` makes. Skips the test where there is no kubectl."""
    return list(yaml.safe_load_all(_built(folder)))


def name(found: Object) -> str:
    return f"{found['kind']}/{found['metadata']['name']}"


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Each pod template, and what makes pods of it."""
    for found in objects:
        if found["kind"] in POD_OF:
            yield name(found), found["spec"]["template"]
        elif found["kind"] == "RayCluster":
            spec = found["spec"]
            for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
                yield f"{name(found)}/{group.get('groupName', 'head')}", group["template"]


def containers(template: Object) -> list[Object]:
    spec = template["spec"]
    found: list[Object] = [*spec.get("initContainers", []), *spec["containers"]]
    return found


def compose() -> Object:
    """The compose file with every variable at its default."""
    text = (ROOT / "docker-compose.yml").read_text()
    whole: Object = yaml.safe_load(re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text))
    return whole


def selects(selector: Object, labels: Object) -> bool:
    """Whether a label selector takes what has these labels."""
    exact = selector.get("matchLabels", {}).items() <= labels.items()
    return exact and all(
        each["operator"] == "In" and labels.get(each["key"]) in each["values"]
        for each in selector.get("matchExpressions", [])
    )
