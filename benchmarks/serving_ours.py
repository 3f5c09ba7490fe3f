"""A `residual up` that serves a ResNet-18 of 1000 classes at 224. Used by `benchmarks.serving`.

Its weights are random: how fast a network is does not depend on what it learnt.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18

from benchmarks.serving_targets import Asked
from service.cli.client import Client, connect, known_key
from service.cli.demo_service import running
from service.deployments import plan
from service.local import instance, ray_record
from service.local.processes import mark_of, marked
from trainer.contract import layout

MODEL = "bench"


@dataclass(frozen=True)
class Ours:
    """A data directory with a registered version."""

    data_dir: Path
    image: Path

    @property
    def store(self) -> str:
        return (self.data_dir / "objects").as_uri()

    @property
    def prefix(self) -> str:
        return layout.model_version("default", MODEL, 1)


@dataclass(frozen=True)
class Addresses:
    """Two ways to one replica."""

    serve: Asked
    service: Asked
    data_dir: Path
    processes: tuple[psutil.Process, psutil.Process]
    """The service, and the replica."""
    deployed_s: float
    """From the request to deploy until the first answer."""

    def memory(self) -> tuple[float, float]:
        """MB of the service, and of the replica; 0 of one that has ended."""
        service, replica = map(_megabytes, self.processes)
        return service, replica


def prepared(folder: Path, image: Path) -> Ours:
    """The version is imported once for each folder."""
    ours = Ours(folder / "data", image)
    if not ours.data_dir.exists():
        torch.manual_seed(0)
        weights = folder / "resnet18.safetensors"
        save_file(resnet18().state_dict(), weights)
        residual = Path(sys.executable).with_name("residual")
        words = ["import", str(weights), f"--as={MODEL}", f"--data-dir={ours.data_dir}"]
        subprocess.run([str(residual), *words], check=True)
    return ours


@contextmanager
def serving(ours: Ours) -> Iterator[Addresses]:
    """A service whose deployment answers, ended with the `with`."""
    with (
        running(ours.data_dir, keep=False) as ready,
        connect(ready.url, known_key(ready.data_dir)) as client,
    ):
        took = _deployed(client, ours.image)
        print(f"from deploying to the first answer: {took:.1f} s", flush=True)
        record = ray_record.load(instance.prepare(ours.data_dir))
        assert record is not None
        kind = {"Content-Type": "image/jpeg"}
        key = {"Authorization": f"Bearer {known_key(ready.data_dir)}"}
        yield Addresses(
            Asked(
                f"{record.serve_address}{plan.predict_route('default', MODEL, 1)}", ours.image, kind
            ),
            Asked(f"{ready.url}/predict?model={MODEL}", ours.image, key | kind),
            ours.data_dir,
            (psutil.Process(ready.pid), _replica(ours.data_dir)),
            took,
        )
        client.delete(f"/models/{MODEL}/deployment")  # the next round deploys again


def _megabytes(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def _replica(data_dir: Path) -> psutil.Process:
    """Known by the title that Ray gives a process, and changes now and then while there is much to do."""
    found: list[psutil.Process] = []
    while not found:
        mine = marked(mark_of(data_dir))
        found = [each for each in mine if "ServeReplica" in " ".join(each.cmdline())]
    (replica,) = found
    return replica


def _deployed(client: Client, image: Path) -> float:
    """Seconds from asking for a deployment to its first answer."""
    began = time.perf_counter()
    client.put(f"/models/{MODEL}/deployment", {"version": 1})
    content, headers = image.read_bytes(), {"Content-Type": "image/jpeg"}
    while client.http.post("/predict", content=content, headers=headers).is_error:
        time.sleep(0.05)
    return time.perf_counter() - began
