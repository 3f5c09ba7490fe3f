"""Which process is what, by its command line. Used by the stack, the faults and the checks."""

import contextlib
from typing import Literal

import psutil

Kind = Literal[
    "api", "driver", "controller", "worker", "predictor", "replica", "raylet", "gcs", "store",
    "database",
]  # fmt: skip

WORDS: dict[Kind, str] = {
    "worker": "RayTrainWorker",
    "predictor": "PredictionWorker",
    "controller": "TrainController",
    "replica": "ServeReplica",
    "raylet": "raylet/raylet ",
    "gcs": "gcs/gcs_server ",
}


def is_of(kind: Kind, process: psutil.Process) -> bool:
    """Whether `process`, one of the service's, is of a kind that Ray starts."""
    line = command_line(process)
    if kind == "driver":
        return "-m trainer.run " in line and "python" in line.split(" ")[0]
    return kind in WORDS and WORDS[kind] in line


def is_training(process: psutil.Process) -> bool:
    """Whether `process` belongs to an attempt."""
    line = command_line(process)
    words = ("trainer.run", "RayTrainWorker", "PredictionWorker", "TrainController")
    return any(word in line for word in words)


def command_line(process: psutil.Process) -> str:
    """Empty when it is gone."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline()) + " "
    return ""
