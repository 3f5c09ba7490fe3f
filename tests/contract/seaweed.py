"""A SeaweedFS of our own, on loopback and free ports, for the object store's promises."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from service.local.ports import free_ports

BUCKET = "residual"


@contextmanager
def seaweed(folder: Path) -> Iterator[str]:
    """The endpoint of a running store with an empty bucket; ended by its process group."""
    names = ["s3.port", "s3.port.grpc", "s3.port.iceberg", "master.port", "master.port.grpc"]
    names += ["volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    command = [str(Path(sys.executable).with_name("weed")), "mini", f"-dir={folder}"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}", "-webdav=false"]
    command += ["-admin.ui=false", "-master.telemetry=false", "-s3.allowDeleteBucketNotEmpty=false"]
    command += [f"-{name}={port}" for name, port in ports.items()]
    env = os.environ | {"AWS_ACCESS_KEY_ID": "residual", "AWS_SECRET_ACCESS_KEY": "residual-secret"}
    with (folder / "weed.log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, env=env, cwd=folder, start_new_session=True
        )
        try:
            endpoint = f"http://127.0.0.1:{ports['s3.port']}"
            _wait_until_ready(endpoint, server, folder / "weed.log")
            yield endpoint
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait_until_ready(endpoint: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{endpoint}/{BUCKET}", timeout=1).status_code < 500:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)  # between two looks, until the deadline
    raise RuntimeError(f"SeaweedFS did not start:\n{log.read_text()[-2000:]}")
