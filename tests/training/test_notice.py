"""A worker that is told to end keeps a checkpoint first; if it cannot, it ends all the same."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from torch import Tensor, nn

from tests.training.small_runs import (
    hashes,
    kept_steps,
    order,
    points,
    setting,
    small_spec,
    started,
)
from tests.training.test_halt import HALT
from tests.training.test_halt_workers import averaged
from tests.waiting import until
from tests.workers import together
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import FREE, Code
from trainer.training import notice
from trainer.training.attempt import run
from trainer.training.endings import Ended, Halted
from trainer.training.group import Group
from trainer.training.notice import Notice
from trainer.training.vigil import Vigil

WORLD = 2
SPEC = small_spec(workers=WORLD, iterations=30, input_size=16)


class TellSelf(nn.Module):
    """A network whose process is sent SIGTERM in a step, from 1; the first pass is the rehearsal."""

    def __init__(self, network: nn.Module, step: int) -> None:
        super().__init__()
        self.network = network
        self._left = step + 1

    def forward(self, images: Tensor) -> Tensor:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        logits: Tensor = self.network(images)
        return logits


def share(rank: int, root: Path) -> None:
    """One of the processes: an undisturbed run, and one whose second worker gets SIGTERM in its step 11."""
    notice.listen()
    notice.listen()
    group, first, second = Group(rank, WORLD), order(1, SPEC), order(2, SPEC)
    run(first, SPEC, setting(LocalStore(root / "undisturbed"), first, group, averaged))
    store = LocalStore(root / "told")
    given = notice.heard()
    assert given is not None
    at = setting(store, first, group)
    vigil = Vigil(store, first.job_id, 1, str(rank), at.clock, notice=given)

    def wrap(network: nn.Module) -> nn.Module:
        wrapped = averaged(network)
        return wrapped if group.first else TellSelf(wrapped, 11)

    ended = run(first, SPEC, setting(store, first, group, wrap, vigil))
    (root / f"{rank}.json").write_text(ended.model_dump_json())
    run(second, SPEC, setting(store, second, group, averaged))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("told")
    together(share, root, WORLD)
    return root


def test_all_workers_end_after_the_next_step_and_the_first_one_says_who_was_told(
    results: Path,
) -> None:
    first, second = (
        Ended.model_validate_json((results / f"{rank}.json").read_bytes()) for rank in (0, 1)
    )
    assert first.halted is not None
    assert first.halted.code is Code.PREEMPTED
    assert first.halted.code in FREE
    assert "worker 1" in first.halted.message
    assert second == Ended(final=None, best=None)
    assert kept_steps(LocalStore(results / "told"), 1)[-1] == 12


def test_the_next_attempt_goes_on_from_that_step_to_the_same_bits(results: Path) -> None:
    undisturbed, told = LocalStore(results / "undisturbed"), LocalStore(results / "told")
    assert started(told, 2).resumed_step == 12
    assert hashes(told, 2, 30) == hashes(undisturbed, 1, 30)
    joined = [point.step for number in (1, 2) for point in points(told, number)]
    assert joined == list(range(1, 31))


STUCK = """
import sys, threading, time
from trainer.training import notice
notice.listen(grace_s=float(sys.argv[1]))
threading.Thread(target=time.sleep, args=(100,)).start()
print("listens", flush=True)
while True:
    time.sleep(0.05)
"""


def test_a_worker_that_cannot_end_in_order_ends_when_its_grace_is_over() -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", STUCK, "0.2"], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "listens\n"
    worker.terminate()
    assert worker.wait(timeout=20) == -signal.SIGKILL
    worker.stdout.close()


def vigil(tmp_path: Path, given: Notice) -> Vigil:
    at = setting(LocalStore(tmp_path), order())
    return Vigil(at.store, "job-a", 1, "0", at.clock, notice=given)


def test_an_evaluation_is_halted_where_it_is(tmp_path: Path) -> None:
    given = Notice()
    watch = vigil(tmp_path, given)
    watch.interrupt()
    given.give("its machine is about to go")
    with pytest.raises(Halted, match=r"Notice to worker 0: its machine is about to go\.") as halted:
        watch.interrupt()
    assert halted.value.reason.code is Code.PREEMPTED


def test_what_the_service_wished_first_is_the_reason(tmp_path: Path) -> None:
    given = Notice()
    given.give("its machine is about to go")
    watch = vigil(tmp_path, given)
    watch.halt = HALT
    assert watch.why([1]) == HALT.reason


def test_a_machine_that_is_about_to_go_is_a_notice_whatever_fails_meanwhile() -> None:
    given, looked = Notice(), threading.Event()
    answers = iter([False, None, True])

    def is_going() -> bool:
        answer = next(answers)
        if answer is None:
            looked.set()
            raise ConnectionError
        return answer

    with notice.watched(given, is_going, every_s=0.01):
        until(lambda: given.why, within_s=5)
    assert looked.is_set()
    assert given.why == "its machine is about to go"


def test_nobody_is_told_twice() -> None:
    kills: list[str] = []
    given = Notice(grace_s=60, kill=lambda: kills.append("killed"))
    before = threading.active_count()
    given()
    given()
    given.give("something else")
    assert given.why == "its process was told to end"
    assert threading.active_count() == before + 1
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()
    assert kills == []
