"""What the network is trained on is what it is served: arrays and files give the same pixels."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from trainer.contract.datasets import DATASETS
from trainer.contract.objects.local import LocalStore
from trainer.contract.transform import Transform, for_dataset
from trainer.data import bundled, idx
from trainer.data.arrays import prepare_split
from trainer.data.dataset import Raw, Split
from trainer.data.fashion_mnist_mini.build import first_of_each_class
from trainer.data.load import load
from trainer.images import decode, prepare


def random_split(*shape: int) -> Split:
    stream = torch.Generator().manual_seed(0)
    images = torch.randint(256, shape, generator=stream, dtype=torch.uint8)
    return Split(images, torch.arange(len(images)))


@pytest.mark.parametrize(
    ("shape", "transform"),
    [
        ((4, 28, 28), for_dataset(DATASETS["fashion-mnist"])),
        ((4, 8, 8), for_dataset(DATASETS["digits"])),
        ((4, 32, 32, 3), for_dataset(DATASETS["cifar10"])),
        ((4, 28, 28, 3), Transform(mode="rgb", resize=28, pad=2, input_size=32)),
        ((4, 50, 40, 3), Transform(mode="rgb", resize=32, pad=0, input_size=32)),
        ((4, 28, 28, 3), Transform(mode="grey", resize=28, pad=2, input_size=32)),
        ((4, 28, 28), Transform(mode="rgb", resize=28, pad=0, input_size=28)),
        ((4, 28, 28), for_dataset(DATASETS["fashion-mnist"], 64)),
        ((4, 32, 32, 3), for_dataset(DATASETS["cifar10"], 24)),
    ],
    ids=[
        "padded",
        "enlarged",
        "as-is",
        "colour-padded",
        "cropped",
        "colour-to-grey",
        "grey-to-rgb",
        "grey-of-another-size",
        "colour-of-another-size",
    ],
)
def test_an_array_is_prepared_as_its_images_are(
    shape: tuple[int, ...], transform: Transform
) -> None:
    split = random_split(*shape)
    one_by_one = [prepare(Image.fromarray(image.numpy()), transform) for image in split.images]
    prepared = prepare_split(split, transform)
    assert prepared.pixels.shape == (4, 3, transform.input_size, transform.input_size)
    assert torch.equal(prepared.pixels, torch.stack(one_by_one))
    assert torch.equal(prepared.labels, split.labels)
    assert prepared.channels.shape[1] == (1 if transform.mode == "grey" else 3)


@pytest.mark.parametrize(
    ("name", "source"),
    [("fashion-mnist-mini", bundled.fashion_mnist_mini), ("digits", bundled.digits)],
)
def test_an_image_sent_as_a_png_is_the_data_sets_own(
    name: str, source: Callable[[], Raw], tmp_path: Path
) -> None:
    dataset, originals = load(DATASETS[name], LocalStore(tmp_path)), source().val.images
    for index in (0, 7, len(originals) - 1):
        file = BytesIO()
        Image.fromarray(originals[index].numpy()).save(file, "PNG")
        sent = prepare(decode(file.getvalue()), dataset.transform)
        assert torch.equal(sent, dataset.val.pixels[index])


@pytest.mark.parametrize("array", [torch.arange(24).reshape(2, 3, 4), torch.arange(7)])
def test_idx_reads_what_it_wrote(array: Tensor, tmp_path: Path) -> None:
    idx.write(tmp_path / "a.gz", array.to(torch.uint8))
    assert torch.equal(idx.read(tmp_path / "a.gz"), array.to(torch.uint8))
    written = (tmp_path / "a.gz").read_bytes()
    idx.write(tmp_path / "b.gz", array.to(torch.uint8))
    assert (tmp_path / "b.gz").read_bytes() == written  # neither time nor name


def test_the_subset_takes_the_first_of_each_class_in_their_order() -> None:
    labels = torch.tensor([1, 0, 0, 1, 0, 1, 2])
    assert first_of_each_class(labels, 2).tolist() == [0, 1, 2, 3, 6]
