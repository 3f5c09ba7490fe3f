"""However many workers share an evaluation, each image is counted once and the answer is the same."""

from pathlib import Path

import pytest
import torch

from tests.evaluation.attempts import order, registered, run
from tests.evaluation.candidates import candidate, noise
from tests.workers import together
from trainer.contract.attempts import Order
from trainer.contract.evaluation import Protocol
from trainer.contract.objects.local import LocalStore
from trainer.training.device import Chosen
from trainer.training.endings import Ended
from trainer.training.group import Group
from trainer.training.protocol import count, evaluate

WORLD = 2


@pytest.mark.parametrize("images", [1, 4, 37])
@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_shares_add_up_to_one_workers_count(images: int, world: int) -> None:
    one = candidate(images=noise(images))

    def counted(group: Group) -> torch.Tensor:
        return count([one], protocol="10-crop", batch_size=3, precision="fp32", group=group)

    alone = counted(Group())
    shares = torch.stack([counted(Group(rank, world)) for rank in range(world)]).sum(dim=0)
    assert alone[3] == images
    assert torch.equal(shares[1:], alone[1:])
    torch.testing.assert_close(shares[0], alone[0], rtol=1e-5, atol=0)


@pytest.mark.parametrize("protocol", ["center", "10-crop", "multi-scale"])
def test_bf16_is_close_to_fp32(protocol: Protocol) -> None:
    one = candidate(images=noise(8))

    def loss(precision: Chosen) -> float:
        found = evaluate(
            [one],
            protocol=protocol,
            dataset="digits",
            batch_size=8,
            precision=precision,
            group=Group(),
        )
        return found.loss

    assert loss("bf16") == pytest.approx(loss("fp32"), rel=0.05)
    assert loss("bf16") != loss("fp32")


def share(rank: int, folder: Path) -> None:
    """One of two processes that share an ensemble's evaluation."""
    what = Order.model_validate_json(Path(folder, "order.json").read_bytes())
    ended = run(LocalStore(Path(folder, "store")), what, Group(rank, WORLD))
    Path(folder, f"{rank}.json").write_text(ended.model_dump_json())


def test_two_processes_come_to_what_one_comes_to(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    models = [registered(store, seed) for seed in (0, 1)]
    what = order(*models, workers=WORLD, batch_size=35)
    (tmp_path / "order.json").write_text(what.model_dump_json())
    together(share, tmp_path, WORLD)
    first, second = (
        Ended.model_validate_json((tmp_path / f"{rank}.json").read_bytes()).evaluation
        for rank in range(WORLD)
    )
    alone = run(store, order(*models, attempt=2)).evaluation
    assert first is not None
    assert alone is not None
    assert first == second
    assert first.images == 360
    assert (first.top1_error, first.top5_error) == (alone.top1_error, alone.top5_error)
    assert first.loss == pytest.approx(alone.loss, rel=1e-6)
