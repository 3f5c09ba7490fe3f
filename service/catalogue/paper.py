"""The paper's own figures, for the networks that it names. `GET /archs/{name}` shows them."""

from typing import Literal

from pydantic import BaseModel

from trainer.contract.archs import Shortcut

Protocol = Literal["10-crop", "multi-scale", "single view", "ensemble"]


class PaperError(BaseModel, frozen=True, use_attribute_docstrings=True):
    """One error of the paper's tables."""

    table: int
    dataset: Literal["ImageNet validation", "ImageNet test", "CIFAR-10 test"]
    protocol: Protocol
    shortcut: Shortcut | None
    top1_error: float | None
    """Percent; None where the table has none."""
    top5_error: float | None = None
    """Percent."""
    note: str | None = None


class PaperFigures(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What the paper says of one network."""

    multiply_adds: float | None = None
    """Table 1 or section 3.3, rounded as printed."""
    parameters_millions: float | None = None
    """Table 6, rounded as printed."""
    errors: tuple[PaperError, ...] = ()


def _crops(
    shortcut: Shortcut | None, top1: float | None, top5: float | None, table: int
) -> PaperError:
    return PaperError(
        table=table,
        dataset="ImageNet validation",
        protocol="10-crop" if table in (2, 3) else "multi-scale",
        shortcut=shortcut,
        top1_error=top1,
        top5_error=top5,
    )


def _ensemble(top5: float, note: str | None = None) -> PaperError:
    return PaperError(
        table=5,
        dataset="ImageNet test",
        protocol="ensemble",
        shortcut=None,
        top1_error=None,
        top5_error=top5,
        note=note,
    )


def _cifar(
    top1: float, note: str | None = None, *, shortcut: Shortcut | None = "A"
) -> tuple[PaperError, ...]:
    return (
        PaperError(
            table=6,
            dataset="CIFAR-10 test",
            protocol="single view",
            shortcut=shortcut,
            top1_error=top1,
            note=note,
        ),
    )


def _baseline(top1: float, millions: float | None = None, note: str | None = None) -> PaperFigures:
    return PaperFigures(parameters_millions=millions, errors=_cifar(top1, note, shortcut=None))


_VGG = _ensemble(7.32, "of VGG's networks; 6.8 in version 5 of its paper")


PAPER: dict[str, PaperFigures] = {
    "plain18": PaperFigures(multiply_adds=1.8e9, errors=(_crops(None, 27.94, None, 2),)),
    "resnet18": PaperFigures(multiply_adds=1.8e9, errors=(_crops("A", 27.88, None, 2),)),
    "plain34": PaperFigures(
        multiply_adds=3.6e9,
        errors=(_crops(None, 28.54, None, 2), _crops(None, 28.54, 10.02, 3)),
    ),
    "resnet34": PaperFigures(
        multiply_adds=3.6e9,
        errors=(
            _crops("A", 25.03, None, 2),
            _crops("A", 25.03, 7.76, 3),
            _crops("B", 24.52, 7.46, 3),
            _crops("C", 24.19, 7.40, 3),
            _crops("B", 21.84, 5.71, 4),
            _crops("C", 21.53, 5.60, 4),
        ),
    ),
    "resnet50": PaperFigures(
        multiply_adds=3.8e9, errors=(_crops("B", 22.85, 6.71, 3), _crops("B", 20.74, 5.25, 4))
    ),
    "resnet101": PaperFigures(
        multiply_adds=7.6e9, errors=(_crops("B", 21.75, 6.05, 3), _crops("B", 19.87, 4.60, 4))
    ),
    "resnet152": PaperFigures(
        multiply_adds=11.3e9,
        errors=(
            _crops("B", 21.43, 5.71, 3),
            _crops("B", 19.38, 4.49, 4),
            _ensemble(3.57, "six networks of different depth"),
        ),
    ),
    "resnet20": PaperFigures(parameters_millions=0.27, errors=_cifar(8.75)),
    "resnet32": PaperFigures(parameters_millions=0.46, errors=_cifar(7.51)),
    "resnet44": PaperFigures(parameters_millions=0.66, errors=_cifar(7.17)),
    "resnet56": PaperFigures(parameters_millions=0.85, errors=_cifar(6.97)),
    "resnet110": PaperFigures(
        parameters_millions=1.7,
        errors=_cifar(6.43, "the best of 5 runs; their mean is 6.61 ± 0.16"),
    ),
    "resnet1202": PaperFigures(parameters_millions=19.4, errors=_cifar(7.93)),
    "vgg16": PaperFigures(multiply_adds=15.3e9, errors=(_crops(None, 28.07, 9.33, 3), _VGG)),
    "vgg19": PaperFigures(multiply_adds=19.6e9, errors=(_VGG,)),
    "googlenet": PaperFigures(errors=(_crops(None, None, 9.15, 3), _ensemble(6.66))),
    "prelunet": PaperFigures(
        errors=(_crops(None, 24.27, 7.38, 3), _crops(None, 21.59, 5.71, 4), _ensemble(4.94))
    ),
    "nin": _baseline(8.81),
    "maxout": _baseline(9.38),
    "dsn": _baseline(8.22),
    "fitnet19": _baseline(8.39, 2.5),
    "highway19": _baseline(7.54, 2.3, "the best of several runs; their mean is 7.72 ± 0.16"),
    "highway32": _baseline(8.80, 1.25),
}
"""By the name that `GET /archs` gives a network."""
