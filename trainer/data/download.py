"""Data sets from the network, through torchvision, which knows their places and checksums."""

from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import torch

from trainer.data.dataset import Raw, Split

PATIENCE_S = 15.0
"""Without a new byte for this long, the network counts as closed."""


class Unreachable(Exception):
    """The data set cannot be fetched from here; the message says what went wrong."""


def fetch(name: str, folder: Path, *, patience_s: float = PATIENCE_S) -> Raw:
    """Download `name` into the empty `folder`. Raises Unreachable, and never hangs.

    A name server that does not answer ignores every timeout of Python's, so a thread asks, and is
    left behind if nothing comes.
    """
    download = {"fashion-mnist": _fashion_mnist, "cifar10": _cifar10}[name]
    answer: Queue[Raw | Exception] = Queue()
    Thread(target=_answer, args=(answer, download, folder), daemon=True).start()
    seen = 0
    while True:
        try:
            got = answer.get(timeout=patience_s)
        except Empty:
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            if size == seen:
                raise Unreachable(f"no data came for {patience_s:g} s") from None
            seen = size
            continue
        if isinstance(got, Exception):
            raise Unreachable(" ".join(str(got).split()) or type(got).__name__) from got
        return got


def _answer(
    answer: "Queue[Raw | Exception]", download: Callable[[Path], Raw], folder: Path
) -> None:
    try:
        answer.put(download(folder))
    except Exception as error:  # noqa: BLE001 - raised in the thread that waits
        answer.put(error)


def _fashion_mnist(folder: Path) -> Raw:
    from torchvision.datasets import FashionMNIST  # takes 2 s that stored data does not need

    splits = (FashionMNIST(folder, train=train, download=True) for train in (True, False))
    return Raw(*(Split(split.data, split.targets) for split in splits))


def _cifar10(folder: Path) -> Raw:
    from torchvision.datasets import CIFAR10  # takes 2 s that stored data does not need

    splits = (CIFAR10(folder, train=train, download=True) for train in (True, False))
    return Raw(*(Split(torch.from_numpy(s.data), torch.tensor(s.targets)) for s in splits))
