"""The pods of k8s/, brought up by `podman play kube` on a network of their own: with the images, commands,
settings, users, volumes and probes that the manifests name.

Podman 4.3 knows a pod and its ConfigMaps, and not what a cluster does around them, which is done here: pods
are made of their workloads and get addresses, names of Services lead to them, Secrets are files of the pod's
group, and somebody asks the probes.
"""

import copy
import ipaddress
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import yaml

from deploy import first_secrets
from tests.containers import images
from tests.containers.engine import Engine
from tests.containers.manifests import Object, plain, selects
from tests.containers.service import Service

NETWORK = "residual-pods"
IN_TURN = ("database", "storage", "ray-head", "ray-worker", "api")
"""Kubernetes starts all at once, and again until it works; podman starts each once."""
ASKED = "api-1"
"""In place of the Service, which goes to whichever API is ready."""
UP_WITHIN_S = 300.0
OWN = "residual:0.1.0"


@dataclass(frozen=True)
class Pod:
    """One of a workload's."""

    name: str
    address: str
    template: Object

    @property
    def container(self) -> Object:
        """Each pod here has one."""
        (only,) = self.template["spec"]["containers"]
        found: Object = only
        return found

    @property
    def running(self) -> str:
        """What podman calls its container."""
        return f"{self.name}-{self.container['name']}"

    def port(self, named: str) -> int:
        return next(int(p["containerPort"]) for p in self.container["ports"] if p["name"] == named)


@dataclass
class Played(Service):
    """The namespace."""

    engine: Engine = field(kw_only=True)
    objects: list[Object] = field(default_factory=plain)
    pods: list[Pod] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """What a cluster would keep for it."""
        return self.engine.folder / "kubernetes"

    def prepare(self, addresses: Iterator[str]) -> None:
        """Which pods there are, and their Secrets, as the Job `residual-secrets` makes them."""
        root = self.folder / "secrets"
        for thing in first_secrets.THINGS:
            (root / thing).mkdir(parents=True, exist_ok=True)
        first_secrets.into_folders(root, secrets.token_hex)
        self.pods = list(_pods(self.objects, addresses))

    def up(self) -> None:
        """From nothing, until each pod's probes all say yes."""
        self.engine.run("podman", "network", "create", NETWORK)
        told = json.loads(self.engine.run("podman", "network", "inspect", NETWORK))
        hosts = ipaddress.ip_network(told[0]["subnets"][0]["subnet"]).hosts()
        next(hosts)  # the bridge itself
        self.prepare(map(str, hosts))
        for workload in IN_TURN:
            ours = [pod for pod in self.pods if pod.name.rpartition("-")[0] == workload]
            for pod in ours:
                self._play(pod)
            for pod in ours:
                self.until(partial(self.healthy, pod), UP_WITHIN_S)
        asked = self.named(ASKED)
        self.url = f"http://{asked.address}:{asked.port('http')}"
        self.key = (self.folder / "secrets" / "api" / "key").read_text()

    def down(self) -> None:
        for pod in self.pods:
            self.engine.true("podman", "pod", "rm", "--force", "--time=2", pod.name)
        self.engine.true("podman", "network", "rm", "--force", NETWORK)
        shutil.rmtree(self.folder, ignore_errors=True)

    def named(self, name: str) -> Pod:
        return next(pod for pod in self.pods if pod.name == name)

    def kill(self, name: str) -> None:
        """At once."""
        self.engine.run("podman", "kill", self.named(name).running)

    def mend(self) -> None:
        """Start what has ended, as the kubelet does."""
        for pod in self.pods:
            self.engine.start_again(pod.running)

    def healthy(self, pod: Pod) -> bool:
        """Whether each of its probes says yes."""
        kinds = ("startupProbe", "readinessProbe", "livenessProbe")
        return all(self._says_yes(pod, pod.container[kind]) for kind in kinds)

    def _says_yes(self, pod: Pod, probe: Object) -> bool:
        if "exec" in probe:
            return self.engine.true("podman", "exec", pod.running, *probe["exec"]["command"])
        try:
            if "tcpSocket" in probe:
                where = pod.address, pod.port(probe["tcpSocket"]["port"])
                socket.create_connection(where, timeout=probe.get("timeoutSeconds", 1)).close()
                return True
            asked = probe["httpGet"]
            url = f"http://{pod.address}:{pod.port(asked['port'])}{asked['path']}"
            return httpx.get(url, timeout=probe.get("timeoutSeconds", 1)).status_code < 400
        except (OSError, httpx.TransportError):
            return False

    def _play(self, pod: Pod) -> None:
        file = self.folder / f"{pod.name}.yaml"
        objects = [*_of(self.objects, "ConfigMap"), self.as_podman_knows_it(pod)]
        file.write_text(yaml.safe_dump_all(objects))
        how = ("--network", NETWORK, "--ip", pod.address)
        self.engine.run("podman", "play", "kube", *how, str(file))

    def as_podman_knows_it(self, pod: Pod) -> Object:
        """What Kubernetes would make of the template, in words that podman 4.3 has."""
        spec = copy.deepcopy(pod.template["spec"])
        spec["restartPolicy"] = "Never"
        spec["hostAliases"] = [
            {"ip": other.address, "hostnames": [service["metadata"]["name"]]}
            for service in _of(self.objects, "Service")
            for other in self.pods
            if selects({"matchLabels": service["spec"]["selector"]}, _labels(other.template))
        ]
        (container,) = spec["containers"]
        container["image"] = (
            images.RESIDUAL
            if container["image"] == OWN
            else f"docker.io/{images.spelled(container['image'])}"
        )
        for asked_here in ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle"):
            container.pop(asked_here, None)
        container.pop("ports", None)  # which podman would publish on this machine
        values = _resolved(pod)
        container["env"] = [{"name": name, "value": value} for name, value in values.items()]
        for words in {"command", "args"} & container.keys():
            container[words] = [_expanded(word, values) for word in container[words]]
        volumes = {each["name"]: each for each in spec["volumes"]}
        spec["volumes"] = [
            self._volume(pod, mount, volumes.get(mount["name"]))
            for mount in container["volumeMounts"]
        ]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod.name, "labels": _labels(pod.template)},
            "spec": spec,
        }

    def _volume(self, pod: Pod, mount: Object, volume: Object | None) -> Object:
        """What is mounted, as a folder such as the kubelet makes, whose name the mount gets.
        None: a claim of the workload's."""
        part = mount.pop("subPath", "all")
        mount["name"] = name = f"{pod.name}-{mount['name']}-{part}"
        folder = self.folder / "volumes" / name
        folder.mkdir(parents=True, exist_ok=True)
        group = pod.template["spec"]["securityContext"]["fsGroup"]
        os.chown(folder, 0, group)
        folder.chmod(0o2777)
        if volume is not None and "secret" in volume:
            self._write(volume["secret"], folder, group)
        return {"name": name, "hostPath": {"path": str(folder), "type": "Directory"}}

    def _write(self, wanted: Object, folder: Path, group: int) -> None:
        kept = self.folder / "secrets" / wanted["secretName"].removeprefix("residual-")
        items = wanted.get("items") or [{"key": f.name, "path": f.name} for f in kept.iterdir()]
        for item in items:
            file = folder / item["path"]
            file.write_text((kept / item["key"]).read_text())
            os.chown(file, 0, group)
            file.chmod(wanted["defaultMode"])


def _of(objects: list[Object], kind: str) -> list[Object]:
    return [each for each in objects if each["kind"] == kind]


def _labels(template: Object) -> Any:
    return template["metadata"]["labels"]


def _pods(objects: list[Object], addresses: Iterator[str]) -> Iterator[Pod]:
    for found in _of(objects, "StatefulSet") + _of(objects, "Deployment"):
        for number in range(found["spec"]["replicas"]):
            name = f"{found['metadata']['name']}-{number}"
            yield Pod(name, next(addresses), found["spec"]["template"])


def _resolved(pod: Pod) -> dict[str, str]:
    """Name → value of its environment, the ConfigMaps' left out."""
    values = {}
    for each in pod.container.get("env", []):
        source = each.get("valueFrom", {})
        if "fieldRef" in source:
            assert source["fieldRef"]["fieldPath"] == "status.podIP"
            values[each["name"]] = pod.address
        elif "resourceFieldRef" in source:
            which, what = source["resourceFieldRef"]["resource"].split(".")
            values[each["name"]] = pod.container["resources"][which][what]
        else:
            values[each["name"]] = each["value"]
    return values


def _expanded(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(f"$({name})", value)
    return word
