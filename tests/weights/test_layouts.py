"""What a file holds is told from its tensors; where that is not certain, it is asked for."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor

from tests.weights import github
from trainer.models.build import build
from trainer.weights.fitting import Misfit, fitted
from trainer.weights.layouts import LAYOUTS, NotRecognised, recognise

Change = Callable[[dict[str, Tensor]], object]


def theirs(name: str) -> dict[str, Tensor]:
    """Shapes of one of torchvision's networks, without values."""
    more = {"init_weights": False} if name.startswith(("vgg", "goog")) else {}
    with torch.device("meta"):
        network = torchvision.models.get_model(name, weights=None, num_classes=7, **more)
    return dict(network.state_dict())


def renamed(tensors: dict[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    return {name.replace(old, new): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize("name", ["resnet18", "resnet152", "vgg16", "vgg19", "googlenet"])
def test_torchvisions_networks_are_recognised(name: str) -> None:
    found = recognise(theirs(name), None)
    assert (found.network.name, found.layout, found.classes) == (name, "torchvision", 7)


def test_the_published_bottlenecks_stride_in_their_3x3() -> None:
    assert getattr(recognise(theirs("resnet50"), None).network, "stride", None) == "v1.5"
    small = recognise(github.kuangliu(50).state_dict(), None).network
    assert (getattr(small, "stride", None), getattr(small, "stem", None)) == ("v1.5", "small")


def without_projections() -> dict[str, Tensor]:
    """Option A somewhere, or a plain network: which of them, no tensor says."""
    return renamed(github.akamaster(20).state_dict(), "linear.", "fc.")


UNCERTAIN: dict[str, tuple[Callable[[], dict[str, Tensor]], str]] = {
    "option A or plain": (without_projections, "akamaster"),
    "a small stem under torchvision's names": (
        lambda: renamed(
            renamed(github.kuangliu(18).state_dict(), "linear.", "fc."), "shortcut.", "downsample."
        ),
        "kuangliu",
    ),
    "a classifier under another name": (
        lambda: renamed(github.chenyaofo(20).state_dict(), "fc.", "linear."),
        "chenyaofo",
    ),
}


@pytest.mark.parametrize("case", UNCERTAIN)
def test_an_uncertain_layout_is_asked_for_and_then_taken(case: str) -> None:
    make, layout = UNCERTAIN[case]
    with pytest.raises(NotRecognised, match="--layout") as refused:
        recognise(make(), None)
    assert all(name in str(refused.value) for name in LAYOUTS)
    tensors = make()
    found = recognise(tensors, layout)
    assert found.layout == layout
    wanted = build(found.network, found.classes).state_dict()
    assert fitted(tensors, found, wanted).keys() == wanted.keys()


@pytest.mark.parametrize(
    ("make", "asked", "said"),
    [
        (lambda: {"weight": torch.zeros(1)}, None, "--layout"),
        (lambda: theirs("resnet18"), "kuangliu", "3×3"),
        (lambda: theirs("resnet18"), "caffe", "no layout 'caffe'"),
        (without_projections, "chenyaofo", "no projection shortcuts"),
        (lambda: theirs("vgg11"), None, "11 layers"),
        (lambda: theirs("vgg16_bn"), None, "batch normalisation"),
        (lambda: without(theirs("resnet18"), "fc"), "torchvision", "no classifier fc.weight"),
        (lambda: without(theirs("resnet18"), "layer4"), None, "no depth has 2, 2, 2 basic"),
    ],
)
def test_what_is_no_network_of_the_paper_is_refused(
    make: Callable[[], dict[str, Tensor]], asked: str | None, said: str
) -> None:
    with pytest.raises(NotRecognised, match=said):
        recognise(make(), asked)


@pytest.mark.parametrize("name", ["wide_resnet50_2", "resnext50_32x4d"])
def test_wider_networks_are_refused_by_the_tensors_that_do_not_fit(name: str) -> None:
    tensors = theirs(name)
    found = recognise(tensors, None)
    with pytest.raises(Misfit, match=r"layer1\.0\.conv2\.weight.* instead of \(64, 64, 3, 3\)"):
        fitted(tensors, found, build(found.network, 7).state_dict())


CHANGES: dict[str, tuple[Change, str]] = {
    "surplus": (lambda t: t.update(extra=torch.zeros(1)), "no place for extra"),
    "a bias": (lambda t: t.update({"conv1.bias": torch.zeros(16)}), "no place for conv1.bias"),
    "twice": (lambda t: t.update({"fc.weight": torch.zeros(10, 64)}), "no place for fc.weight"),
    "missing": (lambda t: t.pop("bn1.weight"), r"lacks stem\.0\.norm\.weight"),
    "shape": (lambda t: t.update({"bn1.bias": torch.zeros(3)}), r"bn1\.bias \(3,\) instead of"),
    "values": (lambda t: t["bn1.bias"].fill_(float("nan")), r"not finite in bn1\.bias"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_tensor_is_used_and_every_one_of_ours_filled(change: str) -> None:
    tensors = dict(github.akamaster(20).state_dict())
    found = recognise(tensors, None)
    wanted = build(found.network, 10).state_dict()
    assert fitted(tensors, found, wanted).keys() == wanted.keys()
    make, said = CHANGES[change]
    make(tensors)
    with pytest.raises(Misfit, match=said):
        fitted(tensors, found, wanted)


def test_old_files_without_counts_of_steps_are_taken() -> None:
    tensors = {
        name: tensor
        for name, tensor in github.akamaster(20).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    found = recognise(tensors, None)
    wanted = build(found.network, 10).state_dict()
    assert fitted(tensors, found, wanted).keys() == wanted.keys()


def test_half_an_auxiliary_classifier_is_refused() -> None:
    tensors = theirs("googlenet")
    wanted = theirs("googlenet")
    found = recognise(tensors, None)
    del tensors["aux1.fc1.weight"]
    with pytest.raises(Misfit, match=r"lacks aux1\.fc1\.weight"):
        fitted(tensors, found, wanted)


def without(tensors: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(start)}
