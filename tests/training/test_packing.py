"""What is packed here is what the library would have written, byte for byte, and is nowhere copied."""

from mmap import PAGESIZE

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from trainer.training.packing import Packed, in_order, room

STATE = {
    "0.weight": torch.rand(4, 3, 3, 3),
    "0.bias": torch.rand(4),
    "1.num_batches_tracked": torch.tensor(7),
    "a scalar": torch.tensor(0.5),
    "images": torch.arange(12, dtype=torch.uint8).view(2, 6),
    "none": torch.empty(0, 3),
    "ä": torch.ones(1),
}


@pytest.mark.parametrize("tensors", [{}, STATE, {"odd": torch.zeros(3, dtype=torch.uint8)}])
def test_the_bytes_are_the_librarys_own(tensors: dict[str, Tensor]) -> None:
    packed = Packed(tensors)
    assert b"".join(packed) == save(tensors)
    assert b"".join(packed) == save(tensors)  # a store that was away is written to again


@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (8, 4, 1, 1), (8, 1, 3, 3)])
def test_channels_last_is_written_in_order(shape: tuple[int, ...]) -> None:
    weight = torch.rand(shape).to(memory_format=torch.channels_last)
    assert in_order(weight).stride() == torch.empty(shape).stride()
    assert torch.equal(load(b"".join(Packed({"weight": weight})))["weight"], weight)


def test_what_lies_in_order_is_not_copied() -> None:
    weight = torch.zeros(3)
    _, body = Packed({"weight": weight})
    weight[1] = 1
    assert bytes(body) == weight.numpy().tobytes()


def test_what_was_given_room_is_one_piece_and_lies_in_a_page_as_in_the_file() -> None:
    made = room(STATE)
    assert list(made) == list(STATE)
    for name, tensor in STATE.items():
        made[name].copy_(tensor)
    head, body = Packed(made)
    assert b"".join([head, body]) == save(STATE)
    assert np.frombuffer(body, np.uint8).ctypes.data % PAGESIZE == len(head) % PAGESIZE


def test_room_takes_channels_last_in_order() -> None:
    weight = torch.rand(8, 4, 3, 3).to(memory_format=torch.channels_last)
    made = room({"weight": weight})
    made["weight"].copy_(weight)
    assert made["weight"].is_contiguous()
    assert torch.equal(made["weight"], weight)


def test_only_neighbours_in_one_memory_are_one_piece() -> None:
    ground = torch.arange(10.0)
    tensors = {"a": ground[:2], "b": ground[2:3], "c": ground[5:], "d": torch.ones(2)}
    head, *pieces = Packed(tensors)
    assert [len(piece) for piece in pieces] == [12, 20, 8]
    assert b"".join([head, *pieces]) == save(tensors)
    swapped = {"a": ground[2:3], "b": ground[:2]}
    assert b"".join(Packed(swapped)) == save(swapped)


def test_a_type_that_no_training_state_has_is_refused() -> None:
    with pytest.raises(KeyError):
        list(Packed({"weight": torch.zeros(1, dtype=torch.bfloat16)}))
