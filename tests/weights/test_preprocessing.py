"""An imported network is shown images as those who trained it showed them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from tests.weights import github
from trainer.contract.archs import resolve
from trainer.contract.transform import Transform
from trainer.data.arrays import prepare_split
from trainer.data.dataset import Split
from trainer.images import prepare
from trainer.weights import preprocessing
from trainer.weights.asked import Asked
from trainer.weights.importing import as_model
from trainer.weights.layouts import Found
from trainer.weights.preprocessing import CIFAR10, CIFAR100, IMAGENET, INCEPTION
from trainer.weights.reading import Weights

RESNET50 = resolve("resnet50", stride="v1.5")


def smooth(width: int, height: int) -> Image.Image:
    """A picture whose colours change slowly, so that two ways to resample it agree."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return Image.fromarray((255 * np.stack([x, y, 1 - x * y], axis=2)).astype(np.uint8))


@pytest.mark.parametrize("size", [(256, 256), (500, 375), (300, 640)])
@pytest.mark.parametrize("short", [256, 232])
def test_imagenets_pictures_are_cut_out_as_torchvision_does(
    size: tuple[int, int], short: int
) -> None:
    transform = preprocessing.transform(RESNET50, Asked(resize=short), "0" * 64)
    ours = prepare(smooth(*size), transform)
    resized = functional.resize(smooth(*size), short, antialias=True)
    theirs = functional.pil_to_tensor(functional.center_crop(resized, [224, 224]))
    assert ours.shape == theirs.shape == (3, 224, 224)
    assert (ours.int() - theirs.int()).abs().max() <= 2  # of 255: theirs rounds to whole pixels


def test_torchvisions_second_weights_are_known_by_their_hash() -> None:
    first, second = (
        preprocessing.transform(RESNET50, Asked(), sha256) for sha256 in ("0676ba61", "11ad3fa6")
    )
    assert (first.crop, second.crop) == (224 / 256, 224 / 232)
    assert preprocessing.transform(RESNET50, Asked(resize=224), "0").crop == 1
    with pytest.raises(ValueError, match="224 pixels a side"):
        preprocessing.transform(RESNET50, Asked(resize=223), "0")


@pytest.mark.parametrize(
    ("layout", "arch", "classes", "expected"),
    [
        ("torchvision", "resnet50", 1000, IMAGENET),
        ("torchvision", "vgg16", 1000, IMAGENET),
        ("torchvision", "googlenet", 1000, INCEPTION),
        ("akamaster", "resnet20", 10, IMAGENET),
        ("chenyaofo", "resnet20", 10, CIFAR10),
        ("chenyaofo", "resnet20", 100, CIFAR100),
    ],
)
def test_each_source_has_its_own_normalisation(
    layout: str, arch: str, classes: int, expected: object
) -> None:
    found = Found(layout, resolve(arch), classes)
    assert preprocessing.normalisation(found, Asked()) == expected


def test_a_given_normalisation_wins() -> None:
    tensors = github.chenyaofo(20).state_dict()
    weights = Weights("w.pth", "0" * 64, tensors, {})
    asked = Asked(mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    model = as_model(weights, asked)
    assert model.pixel_mean[:, 0, 0].tolist() == pytest.approx([0.1, 0.2, 0.3])
    first = model.network.state_dict()["stem.0.conv.weight"]
    expected = tensors["conv1.weight"] / torch.tensor([0.5, 0.25, 2.0])[:, None, None]
    torch.testing.assert_close(first, expected)
    with pytest.raises(ValueError, match="above 0"):
        as_model(weights, Asked(std=(1, 1, 0)))


def test_the_same_file_read_otherwise_is_another_model() -> None:
    tensors = github.chenyaofo(20).state_dict()

    def digest(asked: Asked, file: str = "w.pth") -> str:
        return as_model(Weights(file, "0" * 64, tensors, {}), asked).digest

    same = digest(Asked())
    assert digest(Asked(), "renamed.pth") == same
    others = [
        digest(Asked(mean=(0, 0, 0))),
        digest(Asked(std=(1, 1, 1))),
        digest(Asked(resize=40)),
        digest(Asked(class_names=tuple("abcdefghij"))),
    ]
    assert len({same, *others}) == 5


def test_a_transform_of_the_whole_square_keeps_its_name() -> None:
    """Models made before a part of the square could be cut out show the same digest."""
    whole = Transform(mode="rgb", resize=32, pad=0, input_size=32)
    assert whole.digest == "4cd087797c25adb0"
    assert whole.model_copy(update={"crop": 0.5}).digest != whole.digest


def test_arrays_are_cut_out_as_single_images_are() -> None:
    transform = Transform(mode="rgb", crop=0.75, resize=24, pad=0, input_size=24)
    pixels = torch.from_numpy(np.array(smooth(32, 32)))
    split = Split(images=torch.stack([pixels, pixels.flip(0)]), labels=torch.zeros(2))
    cut = prepare_split(split, transform).pixels
    assert torch.equal(cut[0], pixels[4:28, 4:28].permute(2, 0, 1))
    assert torch.equal(cut[1], pixels.flip(0)[4:28, 4:28].permute(2, 0, 1))
