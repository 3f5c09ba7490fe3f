"""Promises of the images that are kept back: the same, as many of each class, and never trained on."""

from pathlib import Path

import pytest
import torch

from trainer.contract.datasets import DATASETS
from trainer.contract.objects.local import LocalStore
from trainer.data.batches import pixel_mean
from trainer.data.dataset import Raw, Split
from trainer.data.holdout import held_out, keep_back
from trainer.data.load import load


def numbered(labels: list[int]) -> Raw:
    """Each training image's pixel is its number."""
    count = len(labels)
    train = Split(torch.arange(count, dtype=torch.uint8).reshape(-1, 1, 1), torch.tensor(labels))
    return Raw(train, Split(torch.full((3, 1, 1), 255, dtype=torch.uint8), torch.zeros(3).long()))


def test_what_is_kept_back_is_validated_on_and_the_rest_trained_on_in_their_order() -> None:
    whole = numbered([0, 1] * 30)
    train, val = keep_back(whole, 12)
    kept, left = (split.images.flatten().tolist() for split in (val, train))
    assert len(kept) == 12
    assert sorted(kept + left) == list(range(60))
    assert (kept, left) == (sorted(kept), sorted(left))
    for split in (train, val):
        assert torch.equal(split.labels, split.images.flatten().long() % 2)


def test_keeping_nothing_back_leaves_the_data_sets_own_splits() -> None:
    whole = numbered([0, 1, 2])
    assert keep_back(whole, 0) is whole


@pytest.mark.parametrize("count", [1, 7, 10, 55, 100, 149])
def test_each_class_gives_its_proportion_but_for_a_fraction_of_an_image(count: int) -> None:
    stream = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 100 + [1] * 30 + [2] * 19 + [3])
    labels = labels[torch.randperm(len(labels), generator=stream)]
    kept = held_out(labels, count)
    assert int(kept.sum()) == count
    share = torch.bincount(labels) * count / len(labels)
    assert (torch.bincount(labels[kept], minlength=4) - share).abs().max() < 1


def test_all_training_images_cannot_be_kept_back() -> None:
    with pytest.raises(ValueError, match="3 of 3 training images cannot be kept back"):
        keep_back(numbered([0, 1, 2]), 3)


def test_a_loaded_set_keeps_its_fingerprint_and_takes_its_mean_from_what_is_left(
    tmp_path: Path,
) -> None:
    info, store = DATASETS["fashion-mnist-mini"], LocalStore(tmp_path)
    whole, cut = load(info, store), load(info, store, holdout=500)
    assert cut.fingerprint == whole.fingerprint
    assert torch.bincount(cut.val.labels).tolist() == [50] * 10
    assert torch.bincount(cut.train.labels).tolist() == [450] * 10
    left = cut.train.pixels.double().mean(dim=0).float() / 255
    assert torch.allclose(pixel_mean(cut.train), left)
    assert not torch.equal(pixel_mean(cut.train), pixel_mean(whole.train))
    both = torch.cat([cut.train.pixels, cut.val.pixels]).double().mean(dim=0).float() / 255
    assert torch.allclose(pixel_mean(whole.train), both)
    assert torch.equal(load(info, store, holdout=500).val.pixels, cut.val.pixels)
