"""Each end of an attempt has its reason, and its patience."""

import pickle

import pytest
import torch

from trainer.contract.objects.store import StoreUnavailable
from trainer.contract.reasons import Code
from trainer.data.load import DatasetUnavailable
from trainer.evaluation.version import Unfit
from trainer.training.failures import Diverged, classify
from trainer.training.patience import patiently


class Lost(Exception): ...


class Full(Exception): ...


def code(*errors: BaseException) -> Code:
    return classify(errors, lost=(Lost,), out_of_memory=(Full,)).code


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Diverged(7), Code.DIVERGED),
        (DatasetUnavailable("no network"), Code.DATASET_UNAVAILABLE),
        (Unfit("its weights are damaged"), Code.MODEL_UNUSABLE),
        (torch.OutOfMemoryError("CUDA out of memory"), Code.OUT_OF_MEMORY_GPU),
        (Full(), Code.OUT_OF_MEMORY_HOST),
        (MemoryError(), Code.OUT_OF_MEMORY_HOST),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), Code.OUT_OF_MEMORY_HOST),
        (StoreUnavailable("gone"), Code.STORAGE_UNWRITABLE),
        (Lost(), Code.WORKER_LOST),
        (RuntimeError("[pair.cc:534] Connection closed by peer"), Code.WORKER_LOST),
        (ValueError("a bug"), Code.INTERNAL),
    ],
)
def test_every_failure_has_its_code(error: BaseException, expected: Code) -> None:
    assert code(error) == expected


def test_the_cause_wins_over_what_followed_from_it() -> None:
    assert code(RuntimeError("Connection closed by peer"), Diverged(3)) == Code.DIVERGED
    assert code(ValueError("?"), Lost()) == Code.WORKER_LOST


def message(*errors: BaseException) -> str:
    return classify(errors, lost=(), out_of_memory=()).message


def test_a_reason_is_one_line() -> None:
    assert message(DatasetUnavailable("no network;\nchoose another")) == "no network;"
    assert message(Diverged(12)).endswith("at step 12")
    assert message(MemoryError()) == "MemoryError"


def test_an_unknown_error_is_named() -> None:
    assert message(KeyError("a")) == "KeyError: 'a'"
    assert message(KeyError()) == "KeyError"
    assert message() == "it failed without an error"


def test_a_divergence_travels_between_processes() -> None:
    assert pickle.loads(pickle.dumps(Diverged(12))).step == 12


def test_a_store_that_comes_back_in_time_is_waited_for() -> None:
    slept: list[float] = []

    def ask() -> str:
        if len(slept) < 2:
            raise StoreUnavailable("away")
        return "here"

    assert patiently(ask, timer=lambda: sum(slept), sleep=slept.append) == "here"
    assert slept == [1.0, 1.0]


def test_patience_ends() -> None:
    slept: list[float] = []

    def ask() -> None:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        patiently(ask, patience_s=5, timer=lambda: sum(slept), sleep=slept.append)
    assert sum(slept) == 5
