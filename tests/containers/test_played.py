"""What `podman play kube` is given is what the manifests say: nothing of a pod is lost on the way."""

import os
import stat
from pathlib import Path

import pytest

from tests.containers.engine import Engine
from tests.containers.manifests import Object
from tests.containers.played import IN_TURN, Played

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")


@pytest.fixture
def pods(tmp_path: Path) -> Played:
    namespace = Played("", engine=Engine(tmp_path))
    namespace.prepare(f"10.1.1.{number}" for number in range(2, 99))
    return namespace


def played(pods: Played) -> list[Object]:
    return [pods.as_podman_knows_it(pod) for pod in pods.pods]


def folders(pod: Object) -> list[Path]:
    return [Path(volume["hostPath"]["path"]) for volume in pod["spec"]["volumes"]]


def test_all_of_a_workloads_pods(pods: Played) -> None:
    assert {pod.name.rpartition("-")[0] for pod in pods.pods} == set(IN_TURN)
    assert [pod.name for pod in pods.pods if pod.name.startswith("api")] == ["api-0", "api-1"]
    assert len({pod.address for pod in pods.pods}) == len(pods.pods)


def test_variables_are_resolved(pods: Played) -> None:
    (worker,) = (each for each in played(pods) if each["metadata"]["name"] == "ray-worker-1")
    (container,) = worker["spec"]["containers"]
    assert f"--node-ip-address={pods.named('ray-worker-1').address}" in container["args"]
    assert "--num-cpus=4" in container["args"]
    assert not [word for word in container["args"] if "$(" in word]


def test_each_mount_has_a_volume_of_its_own(pods: Played) -> None:
    for pod in played(pods):
        (container,) = pod["spec"]["containers"]
        mounts = [mount["name"] for mount in container["volumeMounts"]]
        assert mounts == [volume["name"] for volume in pod["spec"]["volumes"]]
        assert len(set(mounts)) == len(mounts)
        group = pod["spec"]["securityContext"]["fsGroup"]
        assert {folder.stat().st_gid for folder in folders(pod)} == {group}


def test_secrets_are_files_that_the_pods_group_reads(pods: Played) -> None:
    (database,) = (each for each in played(pods) if each["metadata"]["name"] == "database-0")
    (folder,) = (folder for folder in folders(database) if "secret" in folder.name)
    kept = {file.name: file.stat() for file in folder.iterdir()}
    assert kept.keys() == {"password", "url"}
    assert {stat.S_IMODE(each.st_mode) for each in kept.values()} == {0o440}
    assert {each.st_gid for each in kept.values()} == {999}


def test_only_what_a_pod_needs_of_a_secret(pods: Played) -> None:
    (api,) = (each for each in played(pods) if each["metadata"]["name"] == "api-0")
    seen = {folder.name: sorted(os.listdir(folder)) for folder in folders(api)}
    assert seen["api-0-database-secret-all"] == ["url"]
    assert seen["api-0-storage-secret-all"] == ["credentials"]


def test_names_lead_to_pods(pods: Played) -> None:
    (head,) = (each for each in played(pods) if each["metadata"]["name"] == "ray-head-0")
    names = {(e["hostnames"][0], e["ip"]) for e in head["spec"]["hostAliases"]}
    assert ("storage", pods.named("storage-0").address) in names
    assert {name for name, _ in names} == {"database", "storage", "ray-head", "api"}
