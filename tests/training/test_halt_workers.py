"""Two real processes on gloo: both end after the same step when the first one hears of the wish."""

from pathlib import Path

import pytest
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tests.training.small_runs import (
    Until,
    hashes,
    kept_steps,
    order,
    points,
    progress,
    setting,
    small_spec,
    started,
)
from tests.training.test_halt import HALT, wish
from tests.workers import together
from trainer.contract.objects.local import LocalStore
from trainer.training.attempt import run
from trainer.training.endings import Ended
from trainer.training.group import Group

WORLD = 2
RECIPE = {"schedule": "plateau", "plateau_epochs": 1, "start_error": 10, "ema_decay": 0.9}
SPEC = small_spec(workers=WORLD, iterations=30, recipe=RECIPE, input_size=16)


def averaged(network: nn.Module) -> nn.Module:
    return DistributedDataParallel(
        network, forward_sync_buffers=False, gradient_as_bucket_view=True
    )


def share(rank: int, root: Path) -> None:
    """One of the processes: an undisturbed run, and one that is halted in its 24th step, and resumed."""
    group, first, second = Group(rank, WORLD), order(1, SPEC), order(2, SPEC)
    run(first, SPEC, setting(LocalStore(root / "undisturbed"), first, group, averaged))
    store = LocalStore(root / "halted")
    ended = halted(store, group)
    (root / f"{rank}.json").write_text(ended.model_dump_json())
    run(second, SPEC, setting(store, second, group, averaged))


def halted(store: LocalStore, group: Group) -> Ended:
    first = order(1, SPEC)
    vigil = setting(store, first, group).vigil

    def wrap(network: nn.Module) -> nn.Module:
        wrapped = averaged(network)
        return Until(wrapped, 23, wish(vigil)) if group.first else wrapped

    return run(first, SPEC, setting(store, first, group, wrap, vigil))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("halted")
    together(share, root, WORLD)
    return root


def test_both_workers_end_and_the_first_one_says_why(results: Path) -> None:
    first, second = (
        Ended.model_validate_json((results / f"{rank}.json").read_bytes()) for rank in (0, 1)
    )
    assert first.halted == HALT.reason
    assert second == Ended(final=None, best=None)
    assert kept_steps(LocalStore(results / "halted"), 1)[-1] == 25


def test_two_halted_workers_resume_to_the_bit(results: Path) -> None:
    undisturbed, resumed = LocalStore(results / "undisturbed"), LocalStore(results / "halted")
    assert started(resumed, 2).resumed_step == 25
    assert hashes(resumed, 2, 30) == hashes(undisturbed, 1, 30)
    assert progress(resumed, 2, 30) == progress(undisturbed, 1, 30)
    joined = [point for number in (1, 2) for point in points(resumed, number)]
    expected = points(undisturbed, 1)
    assert [(each.step, each.loss) for each in joined] == [
        (each.step, each.loss) for each in expected
    ]
    assert [each.step for each in joined] == list(range(1, 31))
