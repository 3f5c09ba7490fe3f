"""Puts a file's tensors into a network's state dict: each of theirs is used, each of ours filled."""

from collections.abc import Mapping

import torch
from torch import Tensor

from trainer.contract.archs import Architecture
from trainer.weights import names
from trainer.weights.channels import reordered
from trainer.weights.layouts import AKAMASTER, Found

SHOWN = 6
"""Tensors that an error names."""

Tensors = Mapping[str, Tensor]


class Misfit(Exception):
    """The tensors are not those of the network; the message names the ones in question."""


def fitted(tensors: Tensors, found: Found, wanted: Tensors) -> dict[str, Tensor]:
    """The state dict of the network that was found, in the file's own precision.

    `wanted` is one of a new network: its names, shapes, and what the file need not have. Raises Misfit.
    """
    state, theirs, unused = _renamed(
        tensors, wanted, resnet=isinstance(found.network, Architecture)
    )
    missing = [name for name in wanted if name not in state]
    optional = {name for name in missing if _optional(name, missing, wanted)}
    _refuse(found, "has no place for", unused)
    _refuse(found, "lacks", [name for name in missing if name not in optional])
    wrong = [
        f"{theirs[name]} {tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}"
        for name, tensor in state.items()
        if tensor.shape != wanted[name].shape
    ]
    _refuse(found, "has in other shapes", wrong)
    _refuse(found, "has values that are not finite in", _not_finite(state, theirs))
    if found.layout == AKAMASTER.name and isinstance(found.network, Architecture):
        state = reordered(state, found.network) if found.network.shortcut == "A" else state
    return state | {name: wanted[name] for name in optional}


def _renamed(
    tensors: Tensors, wanted: Tensors, *, resnet: bool
) -> tuple[dict[str, Tensor], dict[str, str], list[str]]:
    """The tensors by our names, their names by ours, and the names of those without a place."""
    state: dict[str, Tensor] = {}
    theirs: dict[str, str] = {}
    unused = []
    for name, tensor in tensors.items():
        ours = name if name in wanted or not resnet else names.ours(name)
        if ours is None or ours not in wanted or ours in state:
            unused.append(name)
        else:
            state[ours], theirs[ours] = tensor, name
    return state, theirs, unused


def _optional(name: str, missing: list[str], wanted: Tensors) -> bool:
    """A count of training steps, which old files lack and nothing reads; or an auxiliary classifier,
    if the file has none of it: only training has a use for it, and starts it anew."""
    if name.endswith("num_batches_tracked"):
        return True
    head, _, _ = name.partition(".")
    return head.startswith("aux") and all(
        each in missing for each in wanted if each.startswith(f"{head}.")
    )


def _not_finite(state: Tensors, theirs: Mapping[str, str]) -> list[str]:
    return [theirs[name] for name, tensor in state.items() if not torch.isfinite(tensor).all()]


def _refuse(found: Found, what: str, which: list[str]) -> None:
    if which:
        more = f" and {len(which) - SHOWN} more" if len(which) > SHOWN else ""
        raise Misfit(
            f"read as {found.network.name} of {found.layout}, the file {what} "
            f"{', '.join(which[:SHOWN])}{more}; it is another network, or not all of this one"
        )
