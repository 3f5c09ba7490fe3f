"""Whether a network can do what a job asks of it: its images, its views, its share of a batch."""

from trainer.contract import archs
from trainer.contract.archs import Architecture, Network, NoSuchNetwork
from trainer.contract.baselines import Baseline
from trainer.contract.chains import chain
from trainer.contract.evaluation import Protocol
from trainer.contract.family import Family
from trainer.contract.layers import Flatten, Grid
from trainer.contract.recipes import Recipe, growing_side
from trainer.contract.spec import TrainSpec

SMALLEST = 32
"""Side in pixels of the largest image of which the ImageNet family's last stage leaves one pixel."""
SMALL_IMAGES = 64
"""Side in pixels up to which an ImageNet-family network gets the small stem by default: the paper's
would leave it 16 × 16 of 64 × 64 before its first block."""


class Unresolvable(ValueError):
    """A request that no default can save: `field` is at fault, and the message says how to mend it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def network(spec: TrainSpec, input_size: int) -> Network:
    """The network that is asked for, with the stem that fits its images. Raises Unresolvable."""
    try:
        found = archs.resolve(
            spec.arch,
            depth=spec.depth,
            family=spec.family,
            shortcut=spec.shortcut,
            stride=spec.stride,
            stem=spec.stem or "paper",
        )
    except NoSuchNetwork as error:
        raise Unresolvable(error.field, str(error)) from error
    if isinstance(found, Baseline):
        _check_baseline(found, spec, input_size)
        return found
    small = found.family is Family.IMAGENET and input_size <= SMALL_IMAGES
    return found.model_copy(update={"stem": spec.stem or ("small" if small else "paper")})


def check_protocol(network: Network, protocol: Protocol) -> None:
    """Raises Unresolvable when the protocol shows the network views of a size that it does not take."""
    if protocol == "multi-scale" and not _takes_any_size(network):
        raise Unresolvable(
            "protocol",
            f"{network.name} takes images of {network.input_size} pixels and no others, as its first fully "
            "connected layer sees the whole map; choose center or 10-crop",
        )


def smallest_side(recipe: Recipe, input_size: int) -> int:
    """Side in pixels of the smallest images that training shows the network."""
    if recipe.progressive_from == 1:
        return input_size
    return growing_side(recipe.progressive_from, input_size)


def check_growth(network: Network, recipe: Recipe, input_size: int) -> None:
    """Raises Unresolvable when progressive images begin smaller than the network takes."""
    smallest = smallest_side(recipe, input_size)
    if recipe.progressive_from == 1 or isinstance(network, Architecture):
        return
    if network.family is Family.CIFAR or smallest < SMALLEST:
        least = input_size if network.family is Family.CIFAR else SMALLEST
        raise Unresolvable(
            "recipe",
            f"{network.name} needs images of {least} pixels, and they begin with {smallest}; set "
            "progressive_from to 1",
        )


def check_norm(network: Network, side: int, batch_size: int, workers: int) -> None:
    """Raises Unresolvable when batch normalisation would see a single value. `side`: of the smallest
    images in pixels."""
    small_stem = isinstance(network, Architecture) and network.stem == "small"
    one_pixel = network.family is Family.IMAGENET and side <= SMALLEST and not small_stem
    if one_pixel and batch_size < 2 * workers:
        raise Unresolvable(
            "workers",
            f"{network.name} shrinks {side}×{side} images to one pixel, where "
            f"batch normalisation needs two images a worker; ask for at most {batch_size // 2} workers",
        )


def _check_baseline(network: Baseline, spec: TrainSpec, input_size: int) -> None:
    if spec.checkpoint_activations:
        raise Unresolvable(
            "checkpoint_activations",
            f"activations of {network.name} cannot be computed again; leave 'checkpoint_activations' out",
        )
    if network.family is Family.CIFAR and input_size != network.input_size:
        raise Unresolvable(
            "input_size",
            f"{network.name} takes images of {network.input_size} pixels and no others; set input_size to "
            f"{network.input_size}",
        )
    if network.family is Family.IMAGENET and input_size < SMALLEST:
        raise Unresolvable(
            "input_size",
            f"{network.name} needs images of {SMALLEST} pixels at least; set input_size",
        )


def _takes_any_size(network: Network) -> bool:
    """Whether it pools to a fixed grid before its first fully connected layer."""
    if isinstance(network, Architecture) or network.name == "googlenet":
        return True
    layers = (layer for part in chain(network.name, 1) for layer in part.layers)
    first = next(layer for layer in layers if isinstance(layer, Grid | Flatten))
    return isinstance(first, Grid)
