"""Promises of the manifests: valid, restricted, and about one another."""

from typing import Any

import kubernetes_validate
import pytest

from tests.containers.manifests import (
    BUILT,
    K8S,
    Object,
    built,
    containers,
    name,
    plain,
    pods,
    read,
    selects,
)
from trainer.contract.doors import PORTS

VERSIONS = ("1.30", "1.34", kubernetes_validate.latest_version())
OTHERS = {"RayCluster", "ServiceMonitor"}
"""Kinds that an operator brings; Kubernetes has no schema of them."""


def whole(folder: str) -> list[Object]:
    return plain() if folder == "plain" else built(folder)


@pytest.fixture(params=["plain", *BUILT])
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return whole(request.param)


def test_plain_files_are_the_base_in_the_order_that_kubectl_takes_them() -> None:
    links = sorted(path.name for path in K8S.glob("*.yaml"))
    listed = read(K8S / "base" / "kustomization.yaml")[0]["resources"]
    assert links == listed
    assert all((K8S / link).resolve() == K8S / "base" / link for link in links)
    assert plain()[0]["kind"] == "Namespace"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(objects: list[Object], version: str) -> None:
    for found in objects:
        if found["kind"] not in OTHERS:
            kubernetes_validate.validate(found, version, strict=True)


def test_every_object_is_in_the_projects_namespace(objects: list[Object]) -> None:
    for found in objects:
        assert found["kind"] == "Namespace" or found["metadata"]["namespace"] == "residual"


def test_every_pod_is_restricted(objects: list[Object]) -> None:
    """By the Pod Security Standard of that name, and read-only besides."""
    for who, template in pods(objects):
        spec = template["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), who
        assert spec["securityContext"]["runAsNonRoot"] is True, who
        assert spec["securityContext"]["runAsUser"] > 0, who
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, who
        assert spec["enableServiceLinks"] is False, who
        kinds = {"emptyDir", "secret", "configMap", "projected", "persistentVolumeClaim"}
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= kinds, who
        for container in containers(template):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, who
            assert container["resources"].keys() == {"requests", "limits"}, who
            assert not any("hostPort" in port for port in container.get("ports", [])), who


def test_only_the_set_up_can_speak_to_kubernetes(objects: list[Object]) -> None:
    """KubeRay's head gets an account of its own from the operator, for its autoscaler."""
    allowed = {
        who
        for who, template in pods(objects)
        if template["spec"].get("automountServiceAccountToken", True)
    }
    assert allowed <= {"Job/residual-secrets", "RayCluster/residual/head"}
    rules = [rule for found in objects if found["kind"] == "Role" for rule in found["rules"]]
    assert rules == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]


def test_every_service_finds_pods_and_their_ports(objects: list[Object]) -> None:
    for service in (each for each in objects if each["kind"] == "Service"):
        found = [
            template
            for _, template in pods(objects)
            if selects({"matchLabels": service["spec"]["selector"]}, labels(template))
        ]
        assert found, name(service)
        for port in service["spec"]["ports"]:
            assert all(port["targetPort"] in ports(template) for template in found), name(service)
            assert all(port["port"] in ports(template) for template in found), name(service)


def test_every_policy_is_about_pods_and_ports_that_exist(objects: list[Object]) -> None:
    for policy in (each for each in objects if each["kind"] == "NetworkPolicy"):
        chosen = matching(objects, policy["spec"]["podSelector"])
        assert chosen, name(policy)
        for rule in policy["spec"].get("ingress", []):
            for port in rule.get("ports", []):
                assert any(listens(each, port) for each in chosen), name(policy)
            for peer in rule["from"]:
                if "podSelector" in peer:
                    assert matching(objects, peer["podSelector"]), name(policy)
        for rule in policy["spec"].get("egress", []):
            for peer in rule.get("to", []):
                if "podSelector" in peer:
                    found = matching(objects, peer["podSelector"])
                    assert found, f"{name(policy)}: {peer}"
                    for port in rule.get("ports", []):
                        assert all(listens(each, port) for each in found), name(policy)


def test_what_may_leave_a_pod_may_enter_the_other(objects: list[Object]) -> None:
    policies = [each["spec"] for each in objects if each["kind"] == "NetworkPolicy"]
    for policy in policies:
        for rule in policy.get("egress", []):
            for peer in (each for each in rule.get("to", []) if "podSelector" in each):
                for port in rule.get("ports", [{"port": None}]):
                    for source in matching(objects, policy["podSelector"]):
                        for goal in matching(objects, peer["podSelector"]):
                            assert enters(policies, source, goal, port)


def test_nothing_is_allowed_unless_it_is_listed(objects: list[Object]) -> None:
    policies = {
        each["metadata"]["name"]: each["spec"]
        for each in objects
        if each["kind"] == "NetworkPolicy"
    }
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in policies.values():
        for rule in policy.get("ingress", []):
            assert rule["from"], "it would be open to everybody"


def test_secrets_and_config_that_pods_want_are_made(objects: list[Object]) -> None:
    from deploy.first_secrets import THINGS

    secrets = {f"residual-{thing}": make(str) for thing, make in THINGS.items()}
    config = {each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"}
    for who, template in pods(objects):
        for volume in template["spec"].get("volumes", []):
            if secret := volume.get("secret"):
                wanted = {item["key"] for item in secret.get("items", [])}
                assert wanted <= secrets[secret["secretName"]].keys(), who
        for container in containers(template):
            assert {each["configMapRef"]["name"] for each in container.get("envFrom", [])} <= config
    assert not [each for each in objects if each["kind"] == "Secret"]


def test_volumes_that_are_mounted_are_there(objects: list[Object]) -> None:
    claims = {
        name(each): {claim["metadata"]["name"] for claim in each["spec"]["volumeClaimTemplates"]}
        for each in objects
        if each["kind"] == "StatefulSet" and "volumeClaimTemplates" in each["spec"]
    }
    for who, template in pods(objects):
        there = {volume["name"] for volume in template["spec"].get("volumes", [])}
        for container in containers(template):
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            assert mounted <= there | claims.get(who, set()), who


def test_a_worker_has_longer_to_end_than_its_drain_lasts(objects: list[Object]) -> None:
    from trainer.training.notice import GRACE_S

    config = {
        each["metadata"]["name"]: each["data"] for each in objects if each["kind"] == "ConfigMap"
    }
    drain = float(config["residual-ray"]["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
    assert drain > GRACE_S
    for who, template in pods(objects):
        if labels(template)["app.kubernetes.io/component"] in ("ray-head", "ray-worker"):
            assert template["spec"]["terminationGracePeriodSeconds"] > drain, who


def matching(objects: list[Object], selector: Object) -> list[Object]:
    return [template for _, template in pods(objects) if selects(selector, labels(template))]


def labels(template: Object) -> Object:
    found: Object = template["metadata"]["labels"]
    return found


def ports(template: Object) -> set[Any]:
    """Names and numbers that the pod's containers listen on."""
    listed = [port for each in containers(template) for port in each.get("ports", [])]
    return {port["name"] for port in listed} | {port["containerPort"] for port in listed}


def listens(template: Object, port: Object) -> bool:
    """Whether the pod does so at a policy's `port`. Where replicas have their doors, no pod needs to say."""
    if "endPort" in port:
        component = labels(template)["app.kubernetes.io/component"]
        doors = range(port["port"], port["endPort"] + 1) == PORTS
        return doors and component in ("ray-head", "ray-worker")
    return port["port"] in ports(template)


def enters(policies: list[Object], source: Object, goal: Object, port: Object) -> bool:
    """Whether `goal` lets `source` in at `port`; one that is None: at any."""
    wanted = port["port"], port.get("endPort")
    numbers = {
        each["name"]: each["containerPort"]
        for one in containers(goal)
        for each in one.get("ports", [])
    }
    return any(
        "podSelector" in peer
        and selects(peer["podSelector"], labels(source))
        and (
            "ports" not in rule
            or wanted
            in {(numbers.get(p["port"], p["port"]), p.get("endPort")) for p in rule["ports"]}
        )
        for policy in policies
        if selects(policy["podSelector"], labels(goal))
        for rule in policy.get("ingress", [])
        for peer in rule["from"]
    )
