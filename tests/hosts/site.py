"""The service over several hosts: the API, its database and its object store on one each, and a Ray cluster
whose nodes come and go, started as docs/nodes.md says. For the experiments `nodes` and `partitions`."""

import contextlib
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from service.local.processes import KEEP_ENVIRONMENT, MARK, mark_of
from tests.chaos.kinds import Kind, is_of
from tests.chaos.stack import Stack
from tests.contract.seaweed import BUCKET, SeaweedServer, environment
from tests.db.server import PostgresServer, installed, unprivileged
from tests.hosts.host import Host
from tests.hosts.network import Network, network
from tests.local.running import log_of
from tests.waiting import until

READY_WITHIN_S = 180.0
JOINS_WITHIN_S = 240.0
"""Ray gives a node 30 s to start; on a busy machine it needs another try."""
GCS, DASHBOARD, SERVE, API = 6379, 8265, 8000, 8080
OBJECT_STORE_BYTES = 80_000_000
PROGRAMS = Path(sys.executable).parent
BASE = {
    "PATH": f"{PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",
    "LANG": os.environ.get("LANG", "C.UTF-8"),
}
HEAD = {
    # How old the figures of free CPUs may be, in seconds.
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    # A node that falls silent is lost after 5 × 2 s at most; by default after more than a minute.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "5",
}
"""What docs/nodes.md tells to set at the head."""
AGAIN = 'while :; do "$0" "$@"; sleep 1; done'
"""Starts Ray again whenever it ends, as systemd would: a node that was cut off comes back by itself."""


@dataclass
class Site:
    """A running one."""

    lan: Network
    stack: Stack
    """As its client sees it: its processes are on the host `api`."""
    token: str
    """Of its Ray."""
    store: SeaweedServer
    nodes: dict[str, Host] = field(default_factory=dict)
    """Of the Ray cluster, by name."""

    @property
    def head(self) -> Host:
        return self.nodes["head"]

    @property
    def api(self) -> Host:
        return self.lan.hosts["api"]

    def ray_environment(self) -> dict[str, str]:
        """Of every process of Ray, on every node."""
        own = {
            MARK: mark_of(self.stack.data_dir),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        return BASE | KEEP_ENVIRONMENT | own | environment(self.store.endpoint)

    def start_head(self, *, cpus: float) -> Host:
        """A Ray cluster of one node."""
        head = self._boot("head")
        where = ("--head", f"--port={GCS}", f"--dashboard-host={head.address}")
        self._ray(head, *where, f"--dashboard-port={DASHBOARD}", cpus=cpus, env=HEAD)
        return head

    def start_node(self, name: str, *, cpus: float) -> Host:
        """A further node; a name that was there before is the same machine, started anew."""
        node = self._boot(name)
        self._ray(node, f"--address={self.head.address}:{GCS}", cpus=cpus, env={})
        return node

    def has_joined(self, node: Host) -> None:
        """Returns when the service shows it."""
        until(lambda: node.address in self.addresses(), within_s=JOINS_WITHIN_S, every_s=0.2)

    def has_left(self, node: Host) -> None:
        """Returns when the service shows it no more."""
        until(
            lambda: (there := self.addresses()) and node.address not in there,
            within_s=JOINS_WITHIN_S,
            every_s=0.2,
        )

    def addresses(self) -> list[str]:
        """Of the living nodes, as the service shows them; empty while it does not answer."""
        with contextlib.suppress(httpx.HTTPError):
            shown = self.stack.api.get("/cluster")
            if shown.is_success:
                return [node["address"] for node in shown.json()["nodes"]]
        return []

    def kill(self, node: Host) -> None:
        self.lan.kill(node)
        del self.nodes[node.name]

    def part_nodes(self, other: Host, *, apart: bool) -> None:
        """All nodes and `other`; not `apart`: they hear one another again."""
        for node in self.nodes.values():
            (self.lan.part if apart else self.lan.join)(node, other)

    def having(self, kind: Kind) -> list[Host]:
        """The nodes that have processes of a kind."""
        return [
            node
            for node in self.nodes.values()
            if any(is_of(kind, process) for process in node.processes())
        ]

    def start_api(self) -> None:
        """Returns when all of its parts answer."""
        env = BASE | self.stack.settings
        with log_of(self.stack.data_dir).open("ab") as log:
            where = (f"--data-dir={self.stack.data_dir}", f"--port={API}")
            self.api.start(str(PROGRAMS / "residual"), "up", *where, env=env, log=log)
        try:
            until(self._is_ready, within_s=READY_WITHIN_S, every_s=0.2)
        except AssertionError as late:
            raise AssertionError(f"not ready:\n{self.stack.log()[-4000:]}") from late

    def _boot(self, name: str) -> Host:
        self.nodes[name] = host = self.lan.add(name)
        return host

    def _ray(self, node: Host, *where: str, cpus: float, env: dict[str, str]) -> None:
        options = (
            f"--node-ip-address={node.address}",
            f"--num-cpus={cpus:g}",
            f"--object-store-memory={OBJECT_STORE_BYTES}",
            "--temp-dir=/tmp/ray",
        )
        command = ("sh", "-c", AGAIN, str(PROGRAMS / "ray"), "start", "--block")
        with (node.folder / "ray.log").open("ab") as log:
            node.start(
                *(*command, "--disable-usage-stats", *where, *options),
                env=self.ray_environment() | env,
                log=log,
            )

    def _is_ready(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.stack.api.get("/readyz", timeout=10).is_success
        return False


@contextmanager
def site(*, head_cpus: float, postgresql: bool = False) -> Iterator[Site]:
    """The service, ready, with the head as its only node. The database is on a host of its own, or SQLite on
    that of the API."""
    folder = Path(tempfile.mkdtemp(prefix="hosts-"))
    folder.chmod(0o755)  # the database's owner has to enter its own folder below it
    try:
        with network(folder) as lan:
            yield _started(lan, head_cpus, postgresql=postgresql)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(lan: Network, cpus: float, *, postgresql: bool) -> Site:
    api, store_host = lan.add("api"), lan.add("store")
    store = SeaweedServer(store_host.folder / "weed", store_host.address, store_host.within)
    key, token = secrets.token_hex(16), secrets.token_hex(32)
    client = httpx.Client(
        base_url=f"http://{api.address}:{API}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=30,
        trust_env=False,
    )
    settings = {
        "RESIDUAL_HOST": api.address,
        "RESIDUAL_API_KEY": key,
        "RESIDUAL_STORAGE_URL": f"s3://{BUCKET}/hosts",
        "RESIDUAL_RAY_TOKEN": token,
    }
    stack = Stack(
        folder=api.folder,
        settings=settings | environment(store.endpoint),
        port=API,
        api=client,
        database=None,
        store=None,
    )
    made = Site(lan, stack, token, store)
    head = made.start_head(cpus=cpus)
    stack.settings["RESIDUAL_RAY_ADDRESS"] = f"http://{head.address}:{DASHBOARD}"
    stack.settings["RESIDUAL_SERVE_ADDRESS"] = f"http://{head.address}:{SERVE}"
    # Ray takes seconds to start, and asks nobody for the store before it trains.
    store.folder.mkdir()
    store.start()
    if postgresql:
        stack.settings["RESIDUAL_DATABASE_URL"] = _postgres(lan.add("database"))
    made.start_api()
    return made


def _postgres(host: Host) -> str:
    """The URL of one that runs there."""
    programs, owner = installed(), unprivileged()
    assert programs, "no PostgreSQL: run scripts/install-debian-packages"
    become = ("setpriv", f"--reuid={owner}", f"--regid={owner}", "--init-groups", "--")
    folder = host.folder / "pg"
    folder.mkdir()
    within = (*host.within, *become)
    server = PostgresServer(programs, folder, owner, address=host.address, within=within)
    server.make()
    server.start()
    return server.url_elsewhere
