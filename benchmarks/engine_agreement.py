"""How often an engine sees the class that the eager network sees, and how fast each is:
`python -m benchmarks.engine_agreement`.

Over a validation set, by a network that is trained through the service first.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.jobs import done
from benchmarks.machine import header
from service.cli.client import connect, known_key
from service.cli.demo_service import running
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.open import open_store
from trainer.data.load import load as load_dataset
from trainer.engines import openvino
from trainer.engines.choose import choose, here
from trainer.engines.engine import Engine, of_images
from trainer.evaluation.version import Version, load

BATCH = 50


def trained(folder: Path, body: dict[str, object]) -> Version:
    """The last checkpoint of a training that `body` asks for."""
    with (
        running(folder, keep=False) as ready,
        connect(ready.url, known_key(ready.data_dir)) as client,
    ):
        job = done(client, dict(body))
        model = client.post("/models", {"name": "agreement", "job": job["id"]})
    store = open_store((folder / "objects").as_uri())
    prefix = f"models/default/agreement/{model['version']:06d}"
    return load(store, prefix, device=torch.device("cpu"))


def engines(version: Version) -> Iterator[tuple[str, Engine]]:
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    hardware = here(version.device, threads)
    given = of_images(version, hardware)
    yield "openvino-f32", openvino.float32(given)
    if hardware.bf16:
        engine = openvino.bfloat16(given)
        yield "bfloat16 alone, which no replica uses", engine.fast
        yield "openvino-bf16", engine


def compared(engine: Engine, pixels: Tensor, reference: Tensor) -> tuple[float, float]:
    """The share of images with the reference's first class, and the largest difference of a probability."""
    logits = torch.cat([engine.logits(part.contiguous()) for part in torch.split(pixels, BATCH)])
    same = (logits.argmax(1) == reference.argmax(1)).double().mean().item()
    return same, (logits.softmax(1) - reference.softmax(1)).abs().max().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="resnet20")
    parser.add_argument("--input-size", type=int)
    parser.add_argument("--dataset", default="fashion-mnist-mini")
    parser.add_argument("--epochs", type=int, default=3)
    asked = parser.parse_args()
    body = {"arch": asked.arch, "dataset": asked.dataset, "epochs": asked.epochs, "workers": 1}
    if asked.input_size:
        body["input_size"] = asked.input_size
    with tempfile.TemporaryDirectory(prefix="residual-bench-") as folder:
        version = trained(Path(folder), body)
        data = load_dataset(
            DATASETS[asked.dataset],
            open_store((Path(folder) / "objects").as_uri()),
            input_size=asked.input_size,
        )
        pixels, labels = data.val.pixels, data.val.labels
        reference = torch.cat([version.logits(part) for part in torch.split(pixels, BATCH)])
        wrong = (reference.argmax(1) != labels).double().mean().item()
        print(
            f"\n{header()}; {asked.arch}, {asked.epochs} epochs of {asked.dataset}: {len(pixels)}"
        )
        print(f"validation images, {wrong:.1%} of which the eager network gets wrong\n")
        print("| engine | same first class | largest difference of a probability |\n|---|---|---|")
        for name, engine in engines(version):
            same, difference = compared(engine, pixels, reference)
            print(f"| {name} | {same:.2%} | {difference:.2g} |")
        print("\nAs a replica measures them when it starts, in CPU time:")
        chosen = choose(version, here(version.device, os.cpu_count() or 1))
        for tried in chosen.tried:
            print(f"- {tried}")
        print(f"It computes with {chosen.name}.")


if __name__ == "__main__":
    main()
