"""The data sets that the service knows by name. `trainer.data` reads them."""

from typing import Literal

from pydantic import BaseModel

from trainer.contract.names import Name

Source = Literal["bundled", "generated", "download"]
"""Inside the package; computed from a seed; fetched through torchvision at first use."""

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


class DatasetInfo(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A labelled set of small images, split in `train` and `val`."""

    name: Name
    description: str
    source: Source
    licence: str
    classes: tuple[str, ...]
    """In the order of the labels 0, 1, …"""
    train_images: int
    val_images: int
    stored_size: int
    """Side in pixels of the images as they come."""
    grey: bool
    """Grey images are repeated to three channels."""
    input_size: int
    """Side in pixels of what the network gets; smaller images are zero-padded."""
    mirrored: bool
    """Whether a mirror image still belongs to its class."""


_FASHION = DatasetInfo(
    name="fashion-mnist",
    description="Zalando's articles of clothing",
    source="download",
    licence="MIT",
    classes=FASHION_CLASSES,
    train_images=60_000,
    val_images=10_000,
    stored_size=28,
    grey=True,
    input_size=32,
    mirrored=True,
)

DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        _FASHION.model_copy(
            update={
                "name": "fashion-mnist-mini",
                "description": "The first 500 training and 100 test images of each class of Fashion-MNIST",
                "source": "bundled",
                "train_images": 5_000,
                "val_images": 1_000,
            }
        ),
        DatasetInfo(
            name="digits",
            description="Handwritten digits of the UCI repository, as in scikit-learn",
            source="bundled",
            licence="BSD-3-Clause (scikit-learn), CC BY 4.0 (UCI)",
            classes=tuple("0123456789"),
            train_images=1_437,
            val_images=360,
            stored_size=8,
            grey=True,
            input_size=32,
            mirrored=False,
        ),
        DatasetInfo(
            name="synthetic",
            description="Seeded noise around one pattern a class, for benchmarks",
            source="generated",
            licence="none needed",
            classes=tuple(f"pattern-{i}" for i in range(10)),
            train_images=10_000,
            val_images=1_000,
            stored_size=32,
            grey=False,
            input_size=32,
            mirrored=True,
        ),
        _FASHION,
        DatasetInfo(
            name="cifar10",
            description="CIFAR-10: the paper's section 4.2",
            source="download",
            licence="none stated by its authors",
            classes=CIFAR10_CLASSES,
            train_images=50_000,
            val_images=10_000,
            stored_size=32,
            grey=False,
            input_size=32,
            mirrored=True,
        ),
    )
}
