"""What is compared: each is started alone, asked, and ended. Used by `benchmarks.serving`.

LitServe and TorchServe are installed into virtual environments of their own that see this project's torch.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.servers.network import BATCH, PREFIX, STORE, WAIT_S
from service.local.ports import free_ports

ROOT = Path(__file__).parent.parent
START_WITHIN_S = 120
UVICORN = [
    sys.executable,
    "-m",
    "uvicorn",
    "--factory",
    "--host=127.0.0.1",
    "--log-level=warning",
    "--port",
]
LITSERVE = ("litserve",)
TORCHSERVE = ("torchserve", "torch-model-archiver", "enum-compat", "psutil", "packaging")


@dataclass(frozen=True)
class Bench:
    """What every server serves, and where it may write."""

    store: str
    prefix: str
    folder: Path
    body: Path
    """The image's file."""


@dataclass(frozen=True)
class Asked:
    """How a server is asked."""

    url: str
    body: Path
    headers: dict[str, str] = field(default_factory=dict)


class Missing(Exception):
    """It cannot be installed or started here; the message says why."""


@contextmanager
def fastapi(bench: Bench) -> Iterator[Asked]:
    with _uvicorn("benchmarks.servers.fastapi_eager:app", bench) as asked:
        yield asked


@contextmanager
def bare(bench: Bench) -> Iterator[Asked]:
    with _uvicorn("benchmarks.servers.asgi_engine:app", bench) as asked:
        yield asked


@contextmanager
def default_serve(bench: Bench) -> Iterator[Asked]:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "benchmarks.servers.serve_default", str(port)]
    asked = Asked(f"http://127.0.0.1:{port}/predict", bench.body)
    with _process(command, bench, asked):
        yield asked


@contextmanager
def litserve(bench: Bench) -> Iterator[Asked]:
    (port,) = free_ports(1)
    python = _environment(bench, "litserve", LITSERVE)
    command = [str(python), "-m", "benchmarks.servers.litserve_eager", str(port)]
    body = bench.folder / "litserve.json"
    image = base64.b64encode(bench.body.read_bytes()).decode()  # as its documents send one
    body.write_text(json.dumps({"image": image}))
    headers = {"Content-Type": "application/json"}
    asked = Asked(f"http://127.0.0.1:{port}/predict", body, headers)
    with _process(command, bench, asked):
        yield asked


@contextmanager
def torchserve(bench: Bench) -> Iterator[Asked]:
    if shutil.which("java") is None:
        raise Missing("there is no java")
    python = _environment(bench, "torchserve", TORCHSERVE)
    models = bench.folder / "mar"
    models.mkdir(exist_ok=True)
    handler = ROOT / "benchmarks" / "servers" / "torchserve_handler.py"
    archive = [
        str(python.with_name("torch-model-archiver")), "--model-name=bench", "--version=1.0", "--force",
        f"--handler={handler}", f"--export-path={models}",
    ]  # fmt: skip
    subprocess.run(archive, check=True, capture_output=True, env=_env(bench))
    inference, management, metrics = free_ports(3)
    config = bench.folder / "torchserve.properties"
    config.write_text(
        f"inference_address=http://127.0.0.1:{inference}\n"
        f"management_address=http://127.0.0.1:{management}\n"
        f"metrics_address=http://127.0.0.1:{metrics}\n"
        "disable_token_authorization=true\nload_models=bench.mar\n"
        f"model_store={models}\n"
        'models={"bench": {"1.0": {"defaultVersion": true, "marName": "bench.mar", "minWorkers": 1, '
        f'"maxWorkers": 1, "batchSize": {BATCH}, "maxBatchDelay": {int(WAIT_S * 1000)}}}}}}}\n'
    )
    command = [
        str(python.with_name("torchserve")), "--start", "--foreground", "--disable-token-auth",
        f"--ts-config={config}",
    ]  # fmt: skip
    asked = Asked(f"http://127.0.0.1:{inference}/predictions/bench", bench.body)
    with _process(command, bench, asked):
        yield asked


OTHERS: dict[str, Callable[[Bench], AbstractContextManager[Asked]]] = {
    "default Ray Serve, @serve.batch, torch eager": default_serve,
    "FastAPI, torch eager": fastapi,
    "LitServe, batches, torch eager": litserve,
    "TorchServe, batches, torch eager": torchserve,
    "bare ASGI, same engine": bare,
}


@contextmanager
def _uvicorn(app: str, bench: Bench) -> Iterator[Asked]:
    (port,) = free_ports(1)
    asked = Asked(f"http://127.0.0.1:{port}/predict", bench.body)
    with _process([*UVICORN, str(port), app], bench, asked):
        yield asked


@contextmanager
def _process(command: list[str], bench: Bench, asked: Asked) -> Iterator[None]:
    """Running, from its first answer on; all of its processes are ended. Raises Missing."""
    log = bench.folder / "server.log"
    with log.open("wb") as said:
        child = subprocess.Popen(
            command,
            cwd=bench.folder,
            env=_env(bench),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        _until_answers(child, asked, log)
        yield
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _until_answers(child: "subprocess.Popen[bytes]", asked: Asked, log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    body = asked.body.read_bytes()
    while time.monotonic() < deadline and child.poll() is None:
        with suppress(httpx.HTTPError):
            answer = httpx.post(
                asked.url, content=body, headers=asked.headers, timeout=30, trust_env=False
            )
            if answer.is_success:
                return
        time.sleep(0.2)
    raise Missing(f"it did not start: {log.read_text(errors='replace')[-800:]}")


def _env(bench: Bench) -> dict[str, str]:
    return os.environ | {STORE: bench.store, PREFIX: bench.prefix, "PYTHONPATH": str(ROOT)}


def _environment(bench: Bench, name: str, packages: tuple[str, ...]) -> Path:
    """The Python of a virtual environment with these packages, and this project's. Raises Missing."""
    folder = bench.folder / "environments" / name
    python = folder / "bin" / "python"
    if python.exists():
        return python
    try:
        venv.create(folder, with_pip=True, symlinks=True)
        site = next(folder.glob("lib/python*/site-packages"))
        here = next(Path(path) for path in sys.path if path.endswith("site-packages"))
        (site / "project.pth").write_text(f"{here}\n")
        install = [str(python), "-m", "pip", "install", "--quiet", "--ignore-installed", *packages]
        subprocess.run(install, check=True, capture_output=True)
    except (OSError, StopIteration, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Missing(f"it cannot be installed here: {error}") from error
    return python
