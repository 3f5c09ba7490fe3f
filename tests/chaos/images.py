"""Experiment: damaged image files, sent to a deployed model by several clients in every form that is taken.
Each must be refused, or get the answer of a direct forward pass. Run by `python -m tests.chaos`."""

import base64
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import httpx
import torch

from tests.chaos.stack import Stack, stack
from tests.serving.mutations import mutated
from tests.serving.pictures import kinds
from tests.waiting import until
from trainer.contract import layout
from trainer.evaluation.version import Version, load
from trainer.images import decode, prepare

MODEL = "digits"
TRAINING = {"arch": "resnet8", "dataset": "digits", "epochs": 1, "register_as": MODEL}
CLIENTS = 4
REFUSED = {413, 415}
CLOSE = 0.02
"""Probabilities: a replica may compute in other kernels, with fewer digits, and in batches."""


@dataclass(frozen=True)
class Asking:
    """A deployed model, and the same model here."""

    running: Stack

    @cached_property
    def version(self) -> Version:
        prefix = layout.model_version("default", MODEL, 1)
        return load(self.running.objects, prefix, device=torch.device("cpu"))

    def wrong(self, form: str, image: bytes) -> tuple[int, str | None]:
        """The status of its answer, and a sentence when that is not as it must be."""
        answer = FORMS[form](self.running.api, image)
        if answer.status_code in REFUSED:
            return answer.status_code, None
        if answer.status_code != httpx.codes.OK:
            return answer.status_code, f"{answer.status_code} for {form}: {answer.text[:200]}"
        expected = self._best(image)
        given = _best_of(answer.json())
        if abs(given - expected) > CLOSE:
            return answer.status_code, f"{given} for {form} where {expected} was right"
        return answer.status_code, None

    def _best(self, image: bytes) -> float:
        pixels = prepare(decode(image), self.version.meta.transform)
        return float(self.version.logits(pixels[None]).softmax(1).max())


def _best_of(said: dict[str, Any]) -> float:
    """The highest probability in an answer of either protocol."""
    if "outputs" in said:
        return float(max(said["outputs"][0]["data"]))
    return float(said["results"][0]["predictions"][0]["probability"])


def _as_body(api: httpx.Client, image: bytes) -> httpx.Response:
    return api.post("/predict", content=image, headers={"Content-Type": "image/png"})


def _as_part(api: httpx.Client, image: bytes) -> httpx.Response:
    return api.post("/predict", files={"file": ("image", image)})


def _in_json(api: httpx.Client, image: bytes) -> httpx.Response:
    return api.post("/predict", json={"images": [base64.b64encode(image).decode()]})


def _by_v2(api: httpx.Client, image: bytes) -> httpx.Response:
    size = {"binary_data_size": 4 + len(image)}
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": size}
    head = json.dumps({"inputs": [tensor]}).encode()
    body = head + len(image).to_bytes(4, "little") + image
    headers = {"Inference-Header-Content-Length": str(len(head))}
    return api.post(f"/v2/models/{MODEL}/infer", content=body, headers=headers)


FORMS: dict[str, Callable[[httpx.Client, bytes], httpx.Response]] = {
    "body": _as_body,
    "part": _as_part,
    "json": _in_json,
    "v2": _by_v2,
}


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """`n` images, each damaged at random and sent in one of the forms."""
    chance, files = Random(seed), list(kinds().values())
    statuses, wrong = Counter[int](), list[str]()
    with stack(folder) as running, ThreadPoolExecutor(CLIENTS) as clients:
        deployed(running)
        asking = Asking(running)
        for begin in range(0, n, 500):
            sent = [
                clients.submit(asking.wrong, chance.choice(list(FORMS)), mutated(files, chance)[1])
                for _ in range(min(500, n - begin))
            ]
            for status, sentence in (each.result() for each in sent):
                statuses[status] += 1
                wrong += [sentence] if sentence else []
            say(f"{statuses.total()} of {n} images, {len(wrong)} mistakes")
    return {"images": n, "by status": dict(sorted(statuses.items())), "violations": wrong}


def deployed(running: Stack) -> None:
    """Returns when a little model answers."""
    job = running.submit(TRAINING)
    running.until_state(job, "succeeded", within_s=240)
    path = f"/models/{MODEL}/deployment"
    running.api.put(path, json={}).raise_for_status()
    until(lambda: running.get(path)["state"] == "ready", within_s=120)
