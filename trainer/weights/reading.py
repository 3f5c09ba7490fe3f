"""Reads the weights in a stranger's file, and nothing else of it. Used by `import_file`."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

MAX_BYTES = 4 << 30
"""VGG-19, the largest network here, has 0.6 GB of weights, and thrice that with its optimizer's state."""
CONTAINERS = ("state_dict", "model_state_dict", "model", "net")
"""Keys under which training scripts keep a state dict among other things."""
PREFIXES = ("module.", "model.", "_orig_mod.")
"""What DistributedDataParallel, wrappers and torch.compile put before every name."""


class Unreadable(Exception):
    """A file whose weights are not taken; the message says why and what to do."""


class Weights(NamedTuple):
    """What a file holds."""

    file: str
    """Its name, without folders."""
    sha256: str
    tensors: dict[str, Tensor]
    """By their names in the file, without prefixes that all of them have. Some may be mapped from it."""
    notes: dict[str, str]
    """The header's free text of a safetensors file; empty for others."""


def read(path: Path) -> Weights:
    """A state dict of torch.save (alone, or inside a checkpoint's dict), or a safetensors file.

    No code in the file is run. Raises Unreadable.
    """
    try:
        size = path.stat().st_size
        packed = zipfile.is_zipfile(path)
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from error
    if size > MAX_BYTES:
        raise Unreadable(f"{path.name} has {size} bytes; at most {MAX_BYTES} are read")
    if path.suffix == ".safetensors":
        found, notes = _safetensors(path)
        return Weights(path.name, _sha256(path), _flat(found, path.name), notes)
    if packed:
        _check_members(path)
    return Weights(path.name, _sha256(path), _flat(_unpickled(path, mapped=packed), path.name), {})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            notes = dict(file.metadata() or {})
            return {name: file.get_tensor(name) for name in file.keys()}, notes  # noqa: SIM118
    except Exception as error:  # the parser of a stranger's file
        raise Unreadable(f"{path.name} is no safetensors file: {error}") from error


def _check_members(path: Path) -> None:
    """torch.save packs without compression; a file that would grow while it is read is not its."""
    try:
        with zipfile.ZipFile(path) as archive:
            grows = any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise Unreadable(f"{path.name} is damaged: {error}; fetch it again") from error
    if grows:
        raise Unreadable(f"{path.name} is compressed; unpack it, and import the file inside")


def _unpickled(path: Path, *, mapped: bool) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # unpickling raises anything on a stranger's bytes
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise Unreadable(
            f"{path.name} is no file of torch.save with tensors alone ({said[0]:.200}). If you trust it, "
            "load it where it comes from and save torch.save(model.state_dict(), 'weights.pth')"
        ) from error


def _flat(found: object, file: str) -> dict[str, Tensor]:
    state = _as_dict(found)
    for _ in CONTAINERS:  # containers in containers, but not one that holds itself
        inside = [_as_dict(state[key]) for key in CONTAINERS if key in state]
        state = next((inner for inner in inside if inner), state)
    if not any(isinstance(value, Tensor) for value in state.values()):
        raise Unreadable(
            f"{file} holds no state dict, alone or under {', '.join(CONTAINERS)}; save "
            "torch.save(model.state_dict(), 'weights.pth')"
        )
    tensors = {}
    for name, value in state.items():
        if isinstance(value, Tensor):
            tensors[str(name)] = _plain(value.detach(), name, file)
        elif not isinstance(value, str | int | float | None):
            raise Unreadable(
                f"{file} holds a {type(value).__name__} under '{name}', among its tensors; save "
                "torch.save(model.state_dict(), 'weights.pth')"
            )
    return _without_prefixes(tensors)


def _as_dict(value: object) -> Mapping[object, object]:
    return value if isinstance(value, Mapping) else {}


def _plain(tensor: Tensor, name: object, file: str) -> Tensor:
    number = tensor.is_floating_point() or tensor.dtype in (torch.int64, torch.int32)
    dense = tensor.layout is torch.strided and tensor.device.type == "cpu"
    # One value can be shown as a billion, which would then be built.
    if number and dense and tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.itemsize:
        return tensor
    raise Unreadable(
        f"'{name}' in {file} is {tensor.dtype}, {tensor.layout}, on {tensor.device}, or repeats values; "
        "save weights that are dense and floating-point"
    )


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    while prefix := next(
        (each for each in PREFIXES if all(name.startswith(each) for name in tensors)), None
    ):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
