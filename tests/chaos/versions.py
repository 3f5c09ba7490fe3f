"""Experiment: a model that several clients ask all the time changes its version again and again, and its
replicas are killed. Every answer must be right, and of one version. Run by `python -m tests.chaos`."""

import base64
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import httpx
import torch
from PIL import Image

from tests.chaos.faults import kill
from tests.chaos.figures import percentile
from tests.chaos.stack import Stack, stack
from tests.waiting import until
from trainer.contract import layout
from trainer.evaluation.version import load
from trainer.images import decode, prepare

MODEL = "changing"
DEPLOYMENT = f"/models/{MODEL}/deployment"
TRAINING = {"arch": "resnet8", "dataset": "digits", "epochs": 1, "register_as": MODEL}
SEEDS = (1, 2)
"""Of the trainings that versions 1 and 2 are of."""
ENGINE = "eager"
"""One that gives the same probabilities in every replica, so that versions can be told apart."""
IMAGES, IN_ONE = 24, 3
CLASSES = 10
CLOSE = 1e-4
"""Probabilities of one network, in batches of several sizes."""
REPLICAS = 2
CLIENTS, ASK_EVERY_S = 8, 0.15
REQUESTS = 200
"""For each change, at least."""
KILLS_OF_FIVE = 2
"""Changes with a kill."""
KILL_WITHIN_S = 20.0
"""Of a change's beginning: it may be over by then."""
READY_WITHIN_S = 240.0
LEAST_SUCCESS = 0.999

Probabilities = Sequence[float]
"""By the index of the class."""


@dataclass(frozen=True)
class Known:
    """The pictures that are sent, and what each version must say of them."""

    files: Sequence[str]
    """In base64."""
    right: Mapping[int, Sequence[Probabilities]]
    """By version; of each picture."""

    def fault(self, sent: Sequence[int], said: dict[str, Any]) -> str | None:
        """What is wrong with an answer, if anything."""
        version, results = said["version"], said["results"]
        if len(results) != len(sent):
            return f"{len(results)} results of {len(sent)} pictures"
        for picture, result in zip(sent, results, strict=True):
            given = _probabilities(result)
            if not _close(given, self.right[version][picture]):
                others = [
                    other for other in self.right if _close(given, self.right[other][picture])
                ]
                return f"an answer of version {version} has a result of {others or 'none'}"
        return None


@dataclass
class Asking:
    """What the clients have seen."""

    api: httpx.Client
    known: Known
    serves: int | None = None
    """The version that has to answer; None while it changes."""
    changes: int = 0
    """How often `serves` has changed."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Of answers, or what came instead of one."""
    milliseconds: list[float] = field(default_factory=list)
    """Of the answers with 200."""
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def going_on(self, chance: Random) -> Iterator[None]:
        """All clients ask while this is open."""
        seeds = [chance.random() for _ in range(CLIENTS)]
        threads = [threading.Thread(target=self._client, args=(Random(seed),)) for seed in seeds]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self._stop.set()
            for each in threads:
                each.join()

    def must_be(self, version: int | None) -> None:
        self.serves = version
        self.changes += 1

    def _client(self, chance: Random) -> None:
        while not self._stop.wait(ASK_EVERY_S):
            self._ask([chance.randrange(IMAGES) for _ in range(IN_ONE)])

    def _ask(self, sent: Sequence[int]) -> None:
        changes, must, began = self.changes, self.serves, time.monotonic()
        images = [self.known.files[picture] for picture in sent]
        try:
            answer = self.api.post(
                f"/predict?model={MODEL}&top_k={CLASSES}", json={"images": images}
            )
        except httpx.TransportError as error:
            self.statuses[type(error).__name__] += 1
            return
        self.statuses[str(answer.status_code)] += 1
        if answer.status_code != httpx.codes.OK:
            return
        self.milliseconds.append((time.monotonic() - began) * 1000)
        said = answer.json()
        if fault := self.known.fault(sent, said):
            self.wrong.append(fault)
        if must is not None and changes == self.changes and said["version"] != must:
            self.wrong.append(f"version {said['version']} answered while {must} served")


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """`n` changes, two of five with a kill, under 200 requests a change or more."""
    chance, changed_s, kills = Random(seed), list[float](), Counter[str]()
    killing = set(chance.sample(range(1, n + 1), n * KILLS_OF_FIVE // 5))
    with (
        stack(folder, env={"RESIDUAL_SERVE_ENGINE": ENGINE}) as running,
        ThreadPoolExecutor(1) as killer,
    ):
        asking = Asking(running.api, _known(running, chance))
        _change(running, 1)
        asking.must_be(1)
        with asking.going_on(chance):
            for number in range(1, n + 1):
                to, began = 1 + number % 2, time.monotonic()
                asking.must_be(None)
                strike = (
                    killer.submit(_kill_one, running, asking, chance) if number in killing else None
                )
                _change(running, to)
                changed_s.append(time.monotonic() - began)
                asking.must_be(to)
                _until_asked(asking, number * REQUESTS)
                if strike:
                    kills[strike.result()] += 1
                say(f"{number} of {n} changes, {kills.total()} kills; {dict(asking.statuses)}")
    answered = asking.statuses["200"]
    return {
        "changes": n,
        "replicas_killed": dict(kills),
        "change_p50_s": percentile(changed_s, 50),
        "change_most_s": percentile(changed_s, 100),
        "requests": asking.statuses.total(),
        "by_status": dict(asking.statuses),
        "request_p50_ms": percentile(asking.milliseconds, 50),
        "request_p99_ms": percentile(asking.milliseconds, 99),
        "wrong": len(asking.wrong),
        "violations": [*_judged(asking, answered), *running.wrong],
    }


def _until_asked(asking: Asking, least: int) -> None:
    until(lambda: asking.statuses.total() >= least, within_s=READY_WITHIN_S)


def _judged(asking: Asking, answered: int) -> Iterator[str]:
    for sentence, times in Counter(asking.wrong).items():
        yield f"{sentence}, {times} times"
    if answered < LEAST_SUCCESS * asking.statuses.total():
        yield f"{answered} of {asking.statuses.total()} requests were answered with 200"


def _known(running: Stack, chance: Random) -> Known:
    """Two versions trained, and what each says of every picture, computed here."""
    for seed in SEEDS:
        job = running.submit(TRAINING | {"seed": seed})
        running.until_state(job, "succeeded", within_s=READY_WITHIN_S)
    files = [_noise(chance) for _ in range(IMAGES)]
    right = {}
    for version in (1, 2):
        prefix = layout.model_version("default", MODEL, version)
        network = load(running.objects, prefix, device=torch.device("cpu"))
        pixels = torch.stack([prepare(decode(file), network.meta.transform) for file in files])
        right[version] = network.logits(pixels).softmax(1).tolist()
    alike = [one for one, other in zip(*right.values(), strict=True) if _close(one, other)]
    assert not alike, "two versions say the same of a picture"
    return Known([base64.b64encode(file).decode() for file in files], right)


def _noise(chance: Random) -> bytes:
    file = BytesIO()
    Image.frombytes("L", (8, 8), chance.randbytes(64)).save(file, "PNG")
    return file.getvalue()


def _change(running: Stack, to: int) -> None:
    """Returns when that version answers, with all of its replicas."""
    body = {"version": to, "replicas": {"min": REPLICAS}}
    running.ask("PUT", DEPLOYMENT, json=body).raise_for_status()

    def is_ready() -> bool:
        now = running.get(DEPLOYMENT)
        found = now["state"], now["serving_version"], now["replicas"]
        return found == ("ready", to, REPLICAS)

    until(is_ready, within_s=READY_WITHIN_S)


def _kill_one(running: Stack, asking: Asking, chance: Random) -> str:
    """Some time after a change began one of the replicas that are there then is killed. Said is whether the
    change still went on."""
    time.sleep(chance.uniform(0, KILL_WITHIN_S))
    kill(chance.choice(until(lambda: running.processes("replica"), within_s=READY_WITHIN_S)))
    return "while changing" if asking.serves is None else "while serving"


def _probabilities(result: dict[str, Any]) -> Probabilities:
    found = {each["index"]: each["probability"] for each in result["predictions"]}
    return [found.get(index, -1.0) for index in range(CLASSES)]


def _close(one: Probabilities, other: Probabilities) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < CLOSE
