"""Tensors are read from a stranger's file, and nothing in it is run."""

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trainer.weights import reading
from trainer.weights.reading import Unreadable, read

TENSORS = {"conv1.weight": torch.rand(4, 3, 3, 3), "fc.bias": torch.rand(4)}


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def same(found: dict[str, Tensor], expected: dict[str, Tensor] = TENSORS) -> bool:
    return found.keys() == expected.keys() and all(
        torch.equal(tensor, expected[name]) for name, tensor in found.items()
    )


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("key", [None, "state_dict", "model", "net", "model_state_dict"])
def test_a_state_dict_is_found_alone_and_in_a_checkpoint(
    tmp_path: Path, key: str | None, new: bool
) -> None:
    held: object = OrderedDict(TENSORS)
    if key is not None:
        held = {key: held, "epoch": 3, "arch": "resnet20", "optimizer": {"state": {}}}
    torch.save(held, tmp_path / "weights.th", _use_new_zipfile_serialization=new)
    found = read(tmp_path / "weights.th")
    assert same(found.tensors)
    assert (found.file, found.notes, len(found.sha256)) == ("weights.th", {}, 64)


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.model.", "_orig_mod.module."])
def test_prefixes_of_wrappers_are_left_out(tmp_path: Path, prefix: str) -> None:
    torch.save({f"{prefix}{name}": tensor for name, tensor in TENSORS.items()}, tmp_path / "w.pth")
    assert same(read(tmp_path / "w.pth").tensors)


def test_a_prefix_that_not_all_have_is_kept(tmp_path: Path) -> None:
    mixed = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    torch.save(mixed, tmp_path / "w.pth")
    assert same(read(tmp_path / "w.pth").tensors, mixed)


def test_numbers_and_text_beside_tensors_are_ignored(tmp_path: Path) -> None:
    torch.save(TENSORS | {"epoch": 3, "acc": 0.9, "name": "net", "best": None}, tmp_path / "w.pth")
    assert same(read(tmp_path / "w.pth").tensors)


def test_a_safetensors_file_is_read_with_its_notes(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.safetensors", metadata={"format": "pt"})
    found = read(tmp_path / "w.safetensors")
    assert same(found.tensors)
    assert found.notes == {"format": "pt"}


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "beside"])
def test_code_in_a_file_is_never_run(tmp_path: Path, kind: str) -> None:
    mark, file = tmp_path / "mark", tmp_path / "w.pth"
    evil = Evil(mark)
    if kind == "pickle":
        file.write_bytes(pickle.dumps(evil, protocol=2))
    else:
        held = {"state_dict": TENSORS, "extra": evil} if kind == "beside" else evil
        torch.save(held, file, _use_new_zipfile_serialization=kind != "legacy")
    with pytest.raises(Unreadable, match=r"save torch\.save\(model\.state_dict\(\)"):
        read(file)
    assert not mark.exists()
    torch.load(file, weights_only=False) if kind != "pickle" else pickle.loads(file.read_bytes())
    assert mark.exists()  # it would have run


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "w.pt")
    with pytest.raises(Unreadable, match="tensors alone"):
        read(tmp_path / "w.pt")


@pytest.mark.parametrize(
    "held",
    [
        [1, 2],
        {"epoch": 3},
        {"state_dict": {}},
        {"a": torch.zeros(1), "b": [torch.zeros(1)]},
        {"a": torch.zeros(3, 3).to_sparse()},
        {"a": torch.zeros(1, dtype=torch.complex64)},
        {"a": torch.zeros(1, device="meta")},
        {"a": torch.zeros(1).expand(10**12)},
    ],
    ids=[
        "a list",
        "no tensor",
        "empty",
        "a list inside",
        "sparse",
        "complex",
        "without data",
        "one value shown as many",
    ],
)
@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_what_is_no_state_dict_is_refused(tmp_path: Path, held: object) -> None:
    torch.save(held, tmp_path / "w.pth")
    with pytest.raises(Unreadable):
        read(tmp_path / "w.pth")


def test_a_dict_that_holds_itself_is_refused(tmp_path: Path) -> None:
    ring: dict[str, object] = {}
    ring["model"] = ring
    torch.save(ring, tmp_path / "w.pth")
    with pytest.raises(Unreadable, match="no state dict"):
        read(tmp_path / "w.pth")


def test_files_that_are_damaged_or_not_there_are_refused(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    for name in ("cut.pth", "cut.safetensors"):
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(Unreadable):
            read(tmp_path / name)
    with pytest.raises(Unreadable, match="No such file"):
        read(tmp_path / "none.pth")


def test_a_file_that_would_grow_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "w.pth")
    with (
        zipfile.ZipFile(tmp_path / "w.pth") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(Unreadable, match="compressed"):
        read(tmp_path / "bomb.pth")


def test_a_file_over_the_limit_is_not_opened(tmp_path: Path) -> None:
    with (tmp_path / "huge.pth").open("wb") as file:
        file.truncate(reading.MAX_BYTES + 1)  # without a block on the disk
    with pytest.raises(Unreadable, match="at most"):
        read(tmp_path / "huge.pth")
