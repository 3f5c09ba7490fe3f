"""Each end of an attempt has its reason, and its patience."""

import errno
import pickle

import pytest
import torch

from trainer.contract.objects.store import StoreUnavailable
from trainer.contract.reasons import Code, Reason, reason
from trainer.data.load import DataCorrupt, DatasetUnavailable
from trainer.evaluation.version import Unfit
from trainer.training.endings import (
    Diverged,
    Halted,
    HostFull,
    NodeLost,
    Preempted,
    WorkerLost,
)
from trainer.training.failures import Failure, classify
from trainer.training.patience import PAUSE_S, patiently


def code(*errors: BaseException) -> Code:
    return told(*errors).code


def message(*errors: BaseException) -> str:
    return told(*errors).message


def told(*errors: BaseException) -> Reason:
    """Of workers 0, 1, …, each with its error."""
    return classify([Failure(rank, error) for rank, error in enumerate(errors)])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Diverged(7), Code.DIVERGED),
        (DatasetUnavailable("no network"), Code.DATASET_UNAVAILABLE),
        (DataCorrupt("arrays.safetensors"), Code.DATA_CORRUPT),
        (Unfit("its weights are damaged"), Code.MODEL_UNUSABLE),
        (torch.OutOfMemoryError("CUDA out of memory"), Code.OUT_OF_MEMORY_GPU),
        (HostFull(), Code.OUT_OF_MEMORY_HOST),
        (MemoryError(), Code.OUT_OF_MEMORY_HOST),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), Code.OUT_OF_MEMORY_HOST),
        (StoreUnavailable("gone"), Code.STORAGE_UNWRITABLE),
        (OSError(errno.ENOSPC, "No space left on device"), Code.STORAGE_UNWRITABLE),
        (Preempted(), Code.PREEMPTED),
        (NodeLost(), Code.NODE_LOST),
        (WorkerLost(), Code.WORKER_LOST),
        (RuntimeError("[pair.cc:534] Connection closed by peer"), Code.WORKER_LOST),
        (ValueError("a bug"), Code.INTERNAL),
        (FileNotFoundError(errno.ENOENT, "a bug"), Code.INTERNAL),
    ],
)
def test_every_failure_has_its_code(error: BaseException, expected: Code) -> None:
    assert code(error) == expected


def test_the_cause_wins_over_what_followed_from_it() -> None:
    assert code(RuntimeError("Connection closed by peer"), Diverged(3)) == Code.DIVERGED
    assert code(RuntimeError("Connection closed by peer"), NodeLost()) == Code.NODE_LOST
    assert code(ValueError("?"), WorkerLost()) == Code.WORKER_LOST


def test_the_worker_that_is_gone_says_more_than_the_one_that_misses_it() -> None:
    gone = WorkerLost("worker 1 on 10.0.0.2 is gone")
    assert message(RuntimeError("Connection closed by peer"), gone) == str(gone)


def test_a_reason_is_one_line() -> None:
    assert message(DatasetUnavailable("no network;\nchoose another")) == "no network;"
    assert message(Diverged(12)).endswith("at step 12")


def test_a_reason_names_the_worker_whose_own_failure_it_is() -> None:
    assert message(MemoryError()) == "worker 0: MemoryError"
    assert message(KeyError(), torch.OutOfMemoryError("full")) == "worker 1: full"


def test_an_unknown_error_is_named() -> None:
    assert message(KeyError("a")) == "worker 0: KeyError: 'a'"
    assert message(KeyError()) == "worker 0: KeyError"
    assert classify([Failure(None, KeyError("a"))]).message == "KeyError: 'a'"
    assert message() == "it failed without an error"


def test_what_ends_an_attempt_travels_between_processes() -> None:
    assert pickle.loads(pickle.dumps(Diverged(12))).step == 12
    why = reason(Code.PAUSED_BY_USER, "Somebody asked for it.")
    assert pickle.loads(pickle.dumps(Halted(why))).reason == why


def test_a_store_that_comes_back_in_time_is_waited_for() -> None:
    slept: list[float] = []

    def ask() -> str:
        if len(slept) < 2:
            raise StoreUnavailable("away")
        return "here"

    told: list[StoreUnavailable] = []
    answer = patiently(
        ask,
        failed=told.append,
        timer=lambda: sum(slept),
        sleep=slept.append,
        chance=iter([0.5, 0.25]).__next__,
    )
    assert (answer, len(told)) == ("here", 2)
    assert slept == [PAUSE_S, PAUSE_S * 0.75]  # not all who wait come back at once


def test_patience_ends() -> None:
    slept: list[float] = []

    def ask() -> None:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        patiently(
            ask, patience_s=5, timer=lambda: sum(slept), sleep=slept.append, chance=lambda: 0.5
        )
    assert sum(slept) == 5 * PAUSE_S
