"""Which checkpoints stay, by what is known of them."""

from trainer.contract.lineage import kept
from trainer.contract.spec import KeepCheckpoints

ERRORS = {10: 30.0, 15: None, 20: 10.0, 25: None, 30: 20.0, 35: None, 40: 10.0}


def test_the_best_and_the_newest_stay() -> None:
    assert kept(ERRORS, KeepCheckpoints()) == {20, 35, 40}
    assert kept(ERRORS, KeepCheckpoints(best=2, last=1)) == {20, 40}
    assert kept(ERRORS, KeepCheckpoints(best=3, last=1)) == {20, 30, 40}


def test_of_equal_ones_the_earlier_is_the_better() -> None:
    assert kept({10: 5.0, 20: 5.0, 30: None}, KeepCheckpoints(best=1, last=1)) == {10, 30}


def test_what_was_never_measured_is_never_among_the_best() -> None:
    assert kept({10: None, 20: None, 30: None}, KeepCheckpoints(best=3, last=1)) == {30}
    assert kept({}, KeepCheckpoints()) == set()
