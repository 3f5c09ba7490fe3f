"""The Ray head of one machine: started, adopted after a crash, watched and ended by `residual up`."""

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from service.local import ray_record
from service.local.failure import CannotStart
from service.local.instance import Places
from service.local.processes import KEEP_ENVIRONMENT, MARK, end_marked, mark_of, same_process
from service.local.ray_record import RayPorts, RayRecord
from service.local.ray_serve import answers, serve_answers, start_serve
from trainer.contract import crashes, doors

READY_WITHIN_S = 90.0
LOOK_EVERY_S = 0.1
ATTEMPTS = 3
"""Another program can take a port between our choice and Ray's start."""
OBJECT_STORE_BYTES = 200 << 20
"""Training hands Ray small objects only."""
NOT_FOR_RAY = {"PYTHONDONTWRITEBYTECODE", "RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_TMPDIR"}
"""Without compiled bytecode every process of Ray takes 2.6 times as long to start."""


class Stopped(Exception):
    """A signal came while Ray was starting."""


@dataclass
class LocalRay:
    """At most one Ray head a data directory; its addresses stay while the service runs."""

    places: Places
    say: Callable[[str], None]
    stopping: threading.Event
    record: RayRecord | None = None
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def token(self) -> str:
        return token_of(self.places)

    def start(self) -> RayRecord:
        """The Ray that a killed service left, if it answers: the API need not wait for its Serve. Else a
        new one, that serves. Raises CannotStart, Stopped."""
        return self._adopted() or self._started(None)

    def alive(self) -> bool:
        record = self.record
        if self.process is not None:
            return self.process.poll() is None
        return record is not None and same_process(record.pid, record.created) is not None

    def restart(self) -> None:
        """A new Ray at the addresses of the one that died. Raises CannotStart, Stopped."""
        self._started(self.record.ports if self.record else None)

    def end(self) -> None:
        """Nothing of Ray, training or serving is left when this returns."""
        left = end_marked(mark_of(self.places.data_dir))
        if left:
            self.say(f"could not end {', '.join(f'process {each.pid}' for each in left)}")
        if self.process is not None:
            self.process.wait()
        self.process = self.record = None
        ray_record.forget(self.places)

    def _adopted(self) -> RayRecord | None:
        left = ray_record.load(self.places)
        if left is None or left.program != ray_record.this_program():
            return None
        if same_process(left.pid, left.created) is None or not answers(left.address, self.token):
            return None
        self.say("adopting the Ray that an earlier service left running")
        self.record = left
        return left

    def _started(self, ports: RayPorts | None) -> RayRecord:
        """A fresh Ray with Serve, at `ports` if they are given, after sweeping what is left of another."""
        for _ in range(ATTEMPTS):
            self.end()
            self.say("starting Ray")
            self.process, self.record = launch(self.places, ports or ray_record.new_ports())
            ray_record.save(self.places, self.record)
            # One of Ray's processes can fail, and all of them end, after Ray has answered.
            if self._wait(lambda record: answers(record.address, self.token)) and self._serve():
                return self.record
            if self.alive():
                raise self._no_serve()
        raise CannotStart(f"Ray did not start; its log {self.places.ray_log} ends:\n{self._tail()}")

    def _serve(self) -> bool:
        """Whether Ray Serve answers in time."""
        self.say("waiting for Ray Serve")
        return self._wait(self._serves)

    def _no_serve(self) -> CannotStart:
        return CannotStart(f"Ray Serve did not start; see {self.places.ray_log}, and try again")

    def _serves(self, record: RayRecord) -> bool:
        """Ask for Serve until it answers: a busy machine may need more than one request."""
        with suppress(httpx.HTTPError, ValueError):
            start_serve(record.address, self.token, record.serve_address)
        return serve_answers(record.address, self.token)

    def _wait(self, ready: Callable[[RayRecord], bool]) -> bool:
        """Whether `ready` came true before Ray died or the time was up. Raises Stopped."""
        deadline = time.monotonic() + READY_WITHIN_S
        while self.record and self.alive() and time.monotonic() < deadline:
            if ready(self.record):
                return True
            if self.stopping.wait(LOOK_EVERY_S):
                raise Stopped
        return False

    def _tail(self) -> str:
        return self.places.ray_log.read_text(errors="replace")[-1500:]


def token_of(places: Places) -> str:
    """The token of the data directory's Ray, made at first use; only its owner can read it."""
    try:
        file = os.open(places.ray_token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return places.ray_token.read_text()
    with os.fdopen(file, "w") as opened:
        opened.write(secrets.token_hex(32))
    return places.ray_token.read_text()


def launch(places: Places, ports: RayPorts) -> tuple["subprocess.Popen[bytes]", RayRecord]:
    """Start a head on loopback, in a session of its own: Ctrl-C at a terminal does not reach it."""
    temp_dir = ray_record.new_temp_dir()
    with places.ray_log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  # our own words, no shell
            command(ports, temp_dir),
            env=environment(places, os.environ),
            cwd=temp_dir,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    record = RayRecord(
        pid=process.pid,
        created=psutil.Process(process.pid).create_time(),
        ports=ports,
        temp_dir=temp_dir,
        program=ray_record.this_program(),
    )
    return process, record


def command(ports: RayPorts, temp_dir: Path) -> list[str]:
    """Two CPUs at least, so that two workers, the least that is distributed, find room."""
    options = {
        "port": ports.gcs,
        "dashboard-host": "127.0.0.1",
        "dashboard-port": ports.dashboard,
        "ray-client-server-port": ports.client,
        "node-ip-address": "127.0.0.1",
        "num-cpus": max(2, cpus_here()),
        "object-store-memory": OBJECT_STORE_BYTES,
        # 0: any free port, instead of a range that two Rays would share.
        "min-worker-port": 0,
        "max-worker-port": 0,
        "dashboard-agent-listen-port": 0,
        "temp-dir": temp_dir,
    }
    ray = str(Path(sys.executable).with_name("ray"))
    flags = ["--head", "--block", "--disable-usage-stats"]
    return [ray, "start", *flags, *(f"--{name}={value}" for name, value in options.items())]


def cpus_here() -> int:
    """CPUs that this process may use, where the system can tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def environment(places: Places, base: Mapping[str, str]) -> dict[str, str]:
    """Of every process of Ray: marked as ours, and without the service's own settings and keys. Where a
    test wants a crash, it can be there too."""
    kept = {
        name: value
        for name, value in base.items()
        if name == crashes.SETTING or (name not in NOT_FOR_RAY and not name.startswith("RESIDUAL_"))
    }
    token_of(places)
    return (
        kept
        | KEEP_ENVIRONMENT
        | {
            MARK: mark_of(places.data_dir),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{base.get('PATH', os.defpath)}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(places.ray_token),
            "RAY_USAGE_STATS_ENABLED": "0",
            # How old the figures of free CPUs may be, in seconds.
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            # Seconds. Under an overload Serve's proxy is late to say that it lives; Serve would end it, and
            # with it whatever is inside, after three times ten of them.
            "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "30",
            # To Ray, the node has the machine's address, whatever it is told.
            doors.ADDRESS: "127.0.0.1",
        }
    )
