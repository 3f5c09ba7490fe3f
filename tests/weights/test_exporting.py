"""An exported file was run again and answered as the model does; otherwise there is none."""

from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests.weights import github
from tests.weights.github import randomised
from trainer.contract.objects.local import LocalStore
from trainer.evaluation.version import Version, load
from trainer.weights.asked import Asked
from trainer.weights.described import PIXEL_MEAN
from trainer.weights.exporting import Proof, Unproved, export
from trainer.weights.formats import FORMATS, Run
from trainer.weights.import_file import keep
from trainer.weights.importing import as_model
from trainer.weights.reading import Weights, read
from trainer.weights.state_dicts import NotTorchvisions

CPU = torch.device("cpu")
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "option A": lambda: github.akamaster(20),
    "bottleneck": lambda: github.kuangliu(50),
}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects")


def kept(store: LocalStore, network: nn.Module, asked: Asked | None = None) -> tuple[str, Version]:
    """A network of somebody's as a version in the store: its prefix, and loaded."""
    weights = Weights("w.pth", "0" * 64, dict(randomised(network).state_dict()), {})
    prefix = keep(store, as_model(weights, asked or Asked()))
    return prefix, load(store, prefix, device=CPU)


@pytest.mark.parametrize("kind", ["safetensors", "onnx", "torch-export"])
@pytest.mark.parametrize("network", NETWORKS)
def test_each_format_answers_as_the_model_for_any_number_of_images(
    store: LocalStore, tmp_path: Path, network: str, kind: str
) -> None:
    torch.manual_seed(0)
    prefix, version = kept(store, NETWORKS[network]())
    file = tmp_path / f"exported{FORMATS[kind].suffix}"
    proof = export(store, prefix, version, file, FORMATS[kind])
    assert proof.difference <= 1e-4 < proof.allowed
    pixels = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)
    run = FORMATS[kind].run(file, version)
    for some in (pixels, pixels[:1]):
        torch.testing.assert_close(run(some / 255), version.logits(some), atol=1e-4, rtol=1e-4)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [file.name]


def test_an_onnx_file_says_what_it_takes(store: LocalStore, tmp_path: Path) -> None:
    prefix, version = kept(store, github.akamaster(20))
    export(store, prefix, version, tmp_path / "m.onnx", FORMATS["onnx"])
    onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.shape[1:]) == ("images", [3, 32, 32])
    assert (given.name, given.shape[1:]) == ("logits", [10])
    assert isinstance(taken.shape[0], str)  # a batch of any size
    assert "class-9" in session.get_modelmeta().custom_metadata_map["residual"]


@pytest.mark.parametrize("kind", ["safetensors", "torchvision"])
def test_what_was_exported_is_imported_as_the_same_model(
    store: LocalStore, tmp_path: Path, kind: str
) -> None:
    torch.manual_seed(0)
    original = torchvision.models.resnet18(weights=None, num_classes=5)
    asked = Asked(class_names=tuple("abcde"), mean=(0.1, 0.2, 0.3), resize=240)
    prefix, version = kept(store, original, asked)
    file = tmp_path / "m.safetensors"
    export(store, prefix, version, file, FORMATS[kind])
    again = as_model(read(file), Asked())
    assert again.meta.class_names == tuple("abcde")
    assert again.meta.transform == version.meta.transform
    assert again.meta.architecture == version.meta.architecture
    assert again.meta.imported
    assert again.meta.imported.layout == "residual"
    assert torch.equal(again.pixel_mean, version.pixel_mean)
    state = again.network.state_dict()
    for name, tensor in version.network.state_dict().items():
        assert torch.equal(state[name], tensor)
    second = load(store, keep(store, again), device=CPU)
    pixels = torch.randint(256, (2, 3, 224, 224), dtype=torch.uint8)
    assert torch.equal(second.logits(pixels), version.logits(pixels))


@pytest.mark.parametrize("name", ["resnet34", "resnet50", "googlenet"])
def test_torchvisions_names_are_for_torchvisions_networks(
    store: LocalStore, tmp_path: Path, name: str
) -> None:
    torch.manual_seed(0)
    more = {"init_weights": False} if name == "googlenet" else {}
    original = torchvision.models.get_model(name, weights=None, num_classes=5, **more)
    prefix, version = kept(store, original)
    export(store, prefix, version, tmp_path / "m.safetensors", FORMATS["torchvision"])
    state = load_file(tmp_path / "m.safetensors")
    mean = state.pop(PIXEL_MEAN)
    original.load_state_dict(state)  # strictly: every name and shape
    pixels = torch.randint(256, (2, 3, 224, 224), dtype=torch.uint8)
    logits = original.eval()(pixels / 255 - mean)
    torch.testing.assert_close(logits, version.logits(pixels), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_that_torchvision_lacks_do_not_get_its_names(
    store: LocalStore, tmp_path: Path, network: str
) -> None:
    prefix, version = kept(store, NETWORKS[network]())
    with pytest.raises(NotTorchvisions, match="leave --names out"):
        export(store, prefix, version, tmp_path / "m.safetensors", FORMATS["torchvision"])
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_a_file_that_answers_otherwise_is_deleted(store: LocalStore, tmp_path: Path) -> None:
    prefix, version = kept(store, github.akamaster(20))
    written = FORMATS["safetensors"]

    def spoilt(version: Version, path: Path) -> None:
        written.write(version, path)
        found = read(path)
        tensors = found.tensors | {"fc.bias": found.tensors["fc.bias"] + 1}
        save_file(tensors, path, metadata=found.notes)

    def unknowing(path: Path, version: Version) -> Run:
        run = written.run(path, version)
        return lambda images: run(images) * float("nan")

    for broken in (written._replace(write=spoilt), written._replace(run=unknowing)):
        with pytest.raises(Unproved, match="another format"):
            export(store, prefix, version, tmp_path / "m.safetensors", broken)
        assert not [path for path in tmp_path.iterdir() if path.is_file()]
    assert isinstance(export(store, prefix, version, tmp_path / "m.safetensors", written), Proof)


def test_a_file_of_ours_is_read_as_it_says(store: LocalStore, tmp_path: Path) -> None:
    prefix, version = kept(store, github.akamaster(20))
    file = tmp_path / "m.safetensors"
    export(store, prefix, version, file, FORMATS["safetensors"])
    with pytest.raises(ValueError, match="leave out"):
        as_model(read(file), Asked(mean=(0, 0, 0)))
    found = read(file)
    without: dict[str, Tensor] = dict(found.tensors)
    del without[PIXEL_MEAN]
    with pytest.raises(Exception, match="pixel_mean"):
        as_model(found._replace(tensors=without), Asked())
