"""A SeaweedFS of our own, on loopback and free ports: for the object store's promises, and to be killed
and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from service.local.ports import free_ports
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import StoreUnavailable

BUCKET = "residual"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "residual", "AWS_SECRET_ACCESS_KEY": "residual-secret"}
START_TIMEOUT_S = 60
PORTS = (
    *("s3.port", "s3.port.grpc", "admin.port", "admin.port.grpc", "master.port"),
    *("master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"),
)
SWITCHED_OFF = ("s3.port.iceberg", "s3.port.lance")


@dataclass
class SeaweedServer:
    """Not running until `start`; its ports stay."""

    folder: Path
    address: str = "127.0.0.1"
    within: tuple[str, ...] = ()
    """What its command is run by, on a host of its own."""
    flags: tuple[str, ...] = ()
    """More of its command's."""
    scheme: str = "http"
    ports: dict[str, int] = field(
        default_factory=lambda: dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    )
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://{self.address}:{self.ports['s3.port']}"

    def start(self) -> None:
        """Returns when it answers, with a bucket that is empty at first."""
        command = [*self.within, str(Path(sys.executable).with_name("weed")), "mini"]
        command += [f"-dir={self.folder}", f"-ip={self.address}", f"-ip.bind={self.address}"]
        command += [f"-bucket={BUCKET}", "-webdav=false"]
        command += ["-admin.ui=false", "-master.telemetry=false"]
        command += ["-s3.allowDeleteBucketNotEmpty=false"]
        command += [f"-{name}={port}" for name, port in self.ports.items()]
        command += [f"-{name}=0" for name in SWITCHED_OFF]
        command += self.flags
        with (self.folder / "weed.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=os.environ | CREDENTIALS,
                cwd=self.folder,
                start_new_session=True,
            )
        self._wait(self.process)

    def kill(self) -> None:
        """Its whole process group, at once."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _wait(self, server: "subprocess.Popen[bytes]") -> None:
        with patch.dict(os.environ, environment(self.endpoint)):  # read once, as the client is made
            store = open_store(f"s3://{BUCKET}")
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and server.poll() is None:
            with suppress(StoreUnavailable):  # it answers before it has its bucket
                next(store.list(""), None)
                return
            time.sleep(0.05)  # between two looks, until the deadline
        said = (self.folder / "weed.log").read_text()[-2000:]
        raise RuntimeError(f"SeaweedFS did not start:\n{said}")


def environment(endpoint: str) -> dict[str, str]:
    """Of a process that uses the store at `endpoint`."""
    return CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def seaweed(folder: Path) -> Iterator[str]:
    """The endpoint of a running store with an empty bucket."""
    server = SeaweedServer(folder)
    try:
        server.start()
        yield server.endpoint
    finally:
        server.kill()
