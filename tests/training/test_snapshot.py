"""A snapshot is what was there when it was taken, in buffers that are used again."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import torch
from torch import nn

from tests.training.small_runs import ALONE, small_spec
from trainer.contract.checkpoints import OPTIMIZER, WEIGHTS
from trainer.contract.datasets import DATASETS
from trainer.contract.transform import for_dataset
from trainer.data.batches import normalise
from trainer.training import copying
from trainer.training.average import Average
from trainer.training.packing import in_order
from trainer.training.schedule import LearningRate
from trainer.training.snapshot import Proof, Snapshot, files, momentum, read_tensors


def network(layout: torch.memory_format = torch.contiguous_format) -> nn.Module:
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return layers.append(nn.Linear(8, 10)).to(memory_format=layout)


def sgd(of: nn.Module, rate: float = 0.1, momentum: float = 0.9) -> torch.optim.SGD:
    return torch.optim.SGD(of.parameters(), lr=rate, momentum=momentum)


def step(of: nn.Module, optimizer: torch.optim.SGD, seed: int = 0) -> None:
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    of(images).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def snapshot(of: nn.Module, optimizer: torch.optim.SGD, average: Average | None = None) -> Snapshot:
    return Snapshot(of, optimizer, LearningRate(small_spec(), ALONE), average)


def test_it_is_what_was_there_when_it_was_taken_and_not_what_came_after() -> None:
    made = network()
    optimizer = sgd(made)
    taken = snapshot(made, optimizer)
    step(made, optimizer)
    then = {name: value.clone() for name, value in made.state_dict().items()}
    momenta = {name: value.clone() for name, value in momentum(made, optimizer).items()}
    taken.take()
    step(made, optimizer, seed=1)
    taken.settle()
    assert taken.weights.keys() == then.keys()
    assert taken.momentum.keys() == momenta.keys()
    for name, value in then.items():
        assert torch.equal(taken.weights[name], value), name
    for name, value in momenta.items():
        assert torch.equal(taken.momentum[name], value), name


def test_the_loop_computes_while_it_is_copied_and_changes_nothing_before_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = network()
    optimizer = sgd(made)
    step(made, optimizer)
    taken = snapshot(made, optimizer)
    then = {name: value.clone() for name, value in made.state_dict().items()}
    copy, go_on = copying.copy, Event()

    def slowly(pairs: Sequence[copying.Pair]) -> None:
        assert threading.current_thread() is threading.main_thread() or go_on.wait(60)
        copy(pairs)

    monkeypatch.setattr(copying, "copy", slowly)
    taken.take()
    made(torch.rand(4, 3, 8, 8)).square().sum().backward()
    assert not torch.equal(made.get_buffer("1.running_mean"), then["1.running_mean"])
    stepping = ThreadPoolExecutor(1).submit(optimizer.step)
    with pytest.raises(TimeoutError):
        stepping.result(0.2)
    assert torch.equal(made.get_parameter("0.weight"), then["0.weight"])
    go_on.set()
    stepping.result(60)
    taken.settle()
    assert not torch.equal(made.get_parameter("0.weight"), then["0.weight"])
    for name, value in then.items():
        assert torch.equal(taken.weights[name], value), name


def test_what_cannot_be_copied_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    made = network()
    optimizer = sgd(made)
    taken = snapshot(made, optimizer)

    def fail(pairs: Sequence[copying.Pair]) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError

    monkeypatch.setattr(copying, "copy", fail)
    taken.take()
    with pytest.raises(MemoryError):
        step(made, optimizer)


def test_the_next_one_is_copied_into_the_same_buffers() -> None:
    made = network()
    optimizer = sgd(made)
    taken = snapshot(made, optimizer)
    places = []
    for seed in range(3):
        step(made, optimizer, seed)
        taken.take()
        taken.settle()
        tensors = [*taken.weights.values(), *taken.momentum.values()]
        places.append([tensor.data_ptr() for tensor in tensors])
        assert all(map(torch.equal, taken.weights.values(), made.state_dict().values()))
    assert places[0] == places[1] == places[2]
    ours = {value.data_ptr() for value in made.state_dict().values()}
    assert ours.isdisjoint(places[0])


def test_the_loop_keeps_its_threads() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        made = network()
        taken = snapshot(made, sgd(made))
        taken.take()
        taken.settle()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_there_is_no_momentum_before_the_first_step_or_without_one() -> None:
    made = network()
    taken = snapshot(made, sgd(made))
    taken.take()
    assert taken.momentum == {}
    without = sgd(made, momentum=0.0)
    taken = snapshot(made, without)
    step(made, without)
    taken.take()
    assert taken.momentum == {}


def test_of_an_average_both_networks_are_there() -> None:
    made = network()
    optimizer = sgd(made)
    average = Average(made, 0.5)
    taken = snapshot(made, optimizer, average)
    step(made, optimizer)
    average.update(1)
    taken.take()
    taken.settle()
    for name, value in average.network.state_dict().items():
        assert torch.equal(taken.weights[name], value), name
    for name, value in made.state_dict().items():
        assert torch.equal(taken.trained[name], value), name
    assert not torch.equal(taken.weights["0.weight"], taken.trained["0.weight"])


def test_a_state_in_channels_last_is_put_in_order_as_it_is_copied(tmp_path: Path) -> None:
    made = network(torch.channels_last)
    optimizer = sgd(made)
    taken = snapshot(made, optimizer)
    step(made, optimizer)
    taken.take()
    taken.settle()
    assert not made.get_parameter("0.weight").is_contiguous()
    assert taken.weights["0.weight"].is_contiguous()
    assert taken.momentum["0.weight"].is_contiguous()
    transform = for_dataset(DATASETS["digits"])
    proof = Proof(
        network=network().eval(),
        images=torch.zeros(2, 3, 32, 32, dtype=torch.uint8),
        pixel_mean=torch.zeros(3, 32, 32),
        transform=transform,
    )
    for name, pieces in files(taken, proof, None).items():
        (tmp_path / name).write_bytes(b"".join(pieces))
    for name, value in read_tensors(tmp_path / WEIGHTS).items():
        assert torch.equal(value, made.state_dict()[name]), name
    for name, value in read_tensors(tmp_path / OPTIMIZER).items():
        assert torch.equal(value, momentum(made, optimizer)[name]), name


def test_the_golden_batch_is_that_of_a_network_with_these_weights_bit_for_bit() -> None:
    made = network(torch.channels_last)
    step(made, sgd(made))
    mean, images = torch.zeros(3, 32, 32), torch.randint(256, (2, 3, 32, 32)).to(torch.uint8)
    with torch.device("meta"):
        empty = network().eval()
    proof = Proof(empty, images, mean, for_dataset(DATASETS["digits"]))
    ordered = {name: in_order(value) for name, value in made.state_dict().items()}
    golden = proof.golden(ordered)
    loaded = network().eval()
    loaded.load_state_dict(made.state_dict())
    with torch.inference_mode():
        logits = loaded(normalise(images, mean, proof.transform))
    assert torch.equal(golden["images"], images)
    assert torch.equal(golden["logits"], logits)
    assert logits.abs().sum() > 0
