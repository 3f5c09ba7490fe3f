"""A model version that loads answers as training computed it; one that is not right is never used."""

from pathlib import Path

import pytest
import torch

from tests.evaluation.candidates import CPU
from tests.serving.versions import Written, write_checkpoint
from trainer.contract import manifest
from trainer.contract.checkpoints import WEIGHTS
from trainer.contract.manifest import Damaged
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import NoSuchObject
from trainer.data.batches import normalise
from trainer.evaluation.version import Unfit, Version, load
from trainer.models.build import build


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def loaded(store: LocalStore, written: Written) -> Version:
    return load(store, written.prefix, device=CPU)


def test_it_gives_the_logits_of_a_direct_forward_pass(store: LocalStore) -> None:
    written = write_checkpoint(store, "job-1")
    network = build(written.meta.architecture, 10).eval()
    network.load_state_dict(written.weights)
    pixels = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        expected = network(normalise(pixels, written.pixel_mean, written.meta.transform))
    torch.testing.assert_close(loaded(store, written).logits(pixels), expected)


def test_it_neither_trains_nor_keeps_gradients(store: LocalStore) -> None:
    network = loaded(store, write_checkpoint(store, "job-1")).network
    assert not any(module.training for module in network.modules())
    assert not any(weight.requires_grad for weight in network.parameters())


def test_a_version_that_answers_otherwise_than_training_is_unfit(store: LocalStore) -> None:
    other = write_checkpoint(store, "job-1").weights
    with pytest.raises(Unfit, match="golden batch"):
        loaded(store, write_checkpoint(store, "job-2", seed=1, weights=other))


def test_a_version_that_answers_not_a_number_is_unfit(store: LocalStore) -> None:
    good = write_checkpoint(store, "job-1").weights
    broken = {name: tensor * float("nan") for name, tensor in good.items() if "weight" in name}
    with pytest.raises(Unfit, match="golden batch"):
        loaded(store, write_checkpoint(store, "job-2", weights=broken))


def test_weights_of_another_network_are_unfit(store: LocalStore) -> None:
    with pytest.raises(Unfit, match="not those of resnet8"):
        loaded(store, write_checkpoint(store, "job-1", weights={"surplus": torch.zeros(1)}))


def test_a_flipped_bit_is_damage(store: LocalStore) -> None:
    written = write_checkpoint(store, "job-1")
    key = f"{written.prefix}/{WEIGHTS}"
    data = bytearray(store.get(key))
    data[-1] ^= 1
    store.put(key, bytes(data))
    with pytest.raises(Damaged, match="not what its manifest says"):
        loaded(store, written)


def test_a_version_without_weights_is_damage(store: LocalStore) -> None:
    written = write_checkpoint(store, "job-1")
    found = manifest.read(store, written.prefix)
    files = tuple(entry for entry in found.files if entry.name != WEIGHTS)
    cut = found.model_copy(update={"files": files})
    store.put(f"{written.prefix}/{manifest.MANIFEST}", cut.model_dump_json().encode())
    with pytest.raises(Damaged, match=f"has no {WEIGHTS}"):
        loaded(store, written)


def test_a_version_that_is_not_there_is_said(store: LocalStore) -> None:
    with pytest.raises(NoSuchObject):
        load(store, "models/default/none/000001", device=CPU)
