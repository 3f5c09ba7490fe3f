"""The networks that the paper's tables compare themselves with, as data. `trainer.models` builds them."""

from typing import Literal

from pydantic import BaseModel

from trainer.contract.family import Family

BaselineName = Literal[
    "vgg16",
    "vgg19",
    "googlenet",
    "prelunet",
    "nin",
    "maxout",
    "dsn",
    "fitnet19",
    "highway19",
    "highway32",
]


class Baseline(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """One network of a table of the paper that is not the paper's own."""

    name: BaselineName
    family: Family
    depth: int
    """Weighted layers on the way from the image to the classes, auxiliary classifiers left out."""
    source: str
    """Authors, title and year, and which of its networks."""

    @property
    def input_size(self) -> int:
        """Side in pixels of the square image it was made for."""
        return self.family.input_size

    @property
    def normalised(self) -> bool:
        """Whether it has batch normalisation: of them only GoogLeNet, as torchvision builds it."""
        return self.name == "googlenet"

    @property
    def shortcut(self) -> None:
        """It has none of the paper's options."""
        return


_VGG = (
    "Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014"
)
_HIGHWAY = "Srivastava, Greff, Schmidhuber: Training Very Deep Networks, 2015"

BASELINES: dict[str, Baseline] = {
    network.name: network
    for network in (
        Baseline(
            name="vgg16", family=Family.IMAGENET, depth=16, source=f"{_VGG} (configuration D)"
        ),
        Baseline(
            name="vgg19", family=Family.IMAGENET, depth=19, source=f"{_VGG} (configuration E)"
        ),
        Baseline(
            name="googlenet",
            family=Family.IMAGENET,
            depth=22,
            source="Szegedy et al.: Going Deeper with Convolutions, 2014",
        ),
        Baseline(
            name="prelunet",
            family=Family.IMAGENET,
            depth=19,
            source="He, Zhang, Ren, Sun: Delving Deep into Rectifiers, 2015 (model A)",
        ),
        Baseline(
            name="nin",
            family=Family.CIFAR,
            depth=9,
            source="Lin, Chen, Yan: Network in Network, 2013",
        ),
        Baseline(
            name="maxout",
            family=Family.CIFAR,
            depth=5,
            source="Goodfellow et al.: Maxout Networks, 2013",
        ),
        Baseline(
            name="dsn",
            family=Family.CIFAR,
            depth=9,
            source="Lee et al.: Deeply-Supervised Nets, 2014",
        ),
        Baseline(
            name="fitnet19",
            family=Family.CIFAR,
            depth=19,
            source="Romero et al.: FitNets: Hints for Thin Deep Nets, 2014",
        ),
        Baseline(name="highway19", family=Family.CIFAR, depth=19, source=_HIGHWAY),
        Baseline(name="highway32", family=Family.CIFAR, depth=32, source=_HIGHWAY),
    )
}
