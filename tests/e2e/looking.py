"""What a job holds of the machine: its processes, and the cluster's CPUs."""

import contextlib

import psutil

from tests.local.running import Running

TRAINING = ("trainer.run", "RayTrainWorker", "PredictionWorker", "TrainController")


def training(service: Running) -> list[str]:
    """Command lines of the living processes that train."""
    lines = []
    for process in service.left():
        with contextlib.suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    return [line for line in lines if any(word in line for word in TRAINING)]


def free_cpus(service: Running) -> tuple[float, float]:
    """CPUs that are free, and that there are."""
    with service.http() as http:
        cluster = http.get("/cluster").json()
    return cluster["cpus"]["free"], cluster["cpus"]["total"]
