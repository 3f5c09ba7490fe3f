"""The pictures of `residual demo`: test images as PNG files, and the learning curve."""

import gzip
import io
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from trainer.contract.attempts import MetricPoint
from trainer.contract.datasets import DATASETS

BUNDLED = "trainer.data.fashion_mnist_mini"
IMAGES_HEADER, LABELS_HEADER = 16, 8
"""Bytes before the data of an IDX file of three dimensions, and of one."""
WINDOW = 20
"""Steps that a point of the training curve is the mean of: one batch's error is mostly noise."""


@dataclass(frozen=True)
class Image:
    """A test image with its true label."""

    name: str
    png: bytes
    label: str


def test_images(count: int) -> list[Image]:
    """The first bundled test image of each of the first `count` classes that come."""
    from PIL import Image as Pillow  # only the demo makes pictures

    info = DATASETS["fashion-mnist-mini"]
    folder, side = files(BUNDLED), info.stored_size
    pixels = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[IMAGES_HEADER:]
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())[LABELS_HEADER:]
    found: dict[int, Image] = {}
    for number, label in enumerate(labels):
        if label not in found and len(found) < count:
            raw = pixels[number * side * side : (number + 1) * side * side]
            file = io.BytesIO()
            Pillow.frombytes("L", (side, side), raw).save(file, "PNG")
            found[label] = Image(f"test-{number:04d}.png", file.getvalue(), info.classes[label])
    return list(found.values())


def learning_curve(points: list[MetricPoint], *, title: str, path: Path) -> None:
    """As in the paper's figures: training error thin, validation error bold, over iterations."""
    import matplotlib as mpl

    mpl.use("Agg")  # no display is needed
    from matplotlib import pyplot as plt

    train = [point for point in points if point.split == "train"]
    val = [point for point in points if point.split == "val"]
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    axes.plot(*_smooth(train), color="tab:blue", linewidth=0.8, label="training error")
    val_curve = [point.step for point in val], [point.top1_error for point in val]
    axes.plot(*val_curve, color="tab:blue", linewidth=2.5, label="validation error")
    axes.set(xlabel="iteration", ylabel="error (%)", ylim=(0, 60), xlim=(0, None), title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _smooth(points: list[MetricPoint]) -> tuple[list[int], list[float]]:
    steps, errors = [], []
    for start in range(0, len(points) - WINDOW + 1, WINDOW):
        some = points[start : start + WINDOW]
        steps.append(some[-1].step)
        errors.append(sum(point.top1_error for point in some) / WINDOW)
    return steps, errors
