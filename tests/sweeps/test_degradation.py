"""Promises of the degradation check: what a report says of two depths."""

from collections.abc import Sequence
from typing import Any

from service.lifecycle import State
from service.sweeps import report
from service.sweeps.measured import MeasuredTrial
from service.sweeps.report import Report
from tests.sweeps.made_up import PAPER_CIFAR, report_input, trial

MINI = {"dataset": "fashion-mnist-mini", "recipe": "paper-cifar"}


def _trained(
    arch: str, training: Sequence[float], base: dict[str, Any] = PAPER_CIFAR, **point: Any
) -> list[MeasuredTrial]:
    """A trial for each training error, in percent."""
    return [
        trial(0, {"arch": arch, "seed": seed, **point}, [10.0], training={1: error}, base=base)
        for seed, error in enumerate(training)
    ]


def _written(*groups: list[MeasuredTrial]) -> Report:
    trials = [each for group in groups for each in group]
    numbered = [t.model_copy(update={"number": i}) for i, t in enumerate(trials, start=1)]
    return report.write(report_input(numbered))


def _sentences(*groups: list[MeasuredTrial]) -> list[str]:
    return [pair.sentence for pair in _written(*groups).pairs]


def test_a_deeper_plain_network_that_trains_worse_is_the_degradation() -> None:
    assert _sentences(_trained("plain20", [12.0]), _trained("plain56", [16.5])) == [
        "plain-56 ends with a higher training error (16.50 %) than plain-20 (12.00 %): the degradation of "
        "the paper's Fig. 6."
    ]


def test_a_deeper_residual_network_that_trains_better_shows_none() -> None:
    assert _sentences(_trained("resnet20", [5.0]), _trained("resnet56", [3.0])) == [
        "ResNet-56 ends with a lower training error (3.00 %) than ResNet-20 (5.00 %): no degradation."
    ]


def test_what_is_not_as_in_the_paper_is_said() -> None:
    plain = _sentences(_trained("plain20", [12.0]), _trained("plain56", [11.0]))
    residual = _sentences(_trained("resnet20", [5.0]), _trained("resnet56", [7.0]))
    assert plain[0].endswith("(12.00 %): no degradation.")
    assert residual[0].endswith(
        "(5.00 %): degradation, which the paper's residual networks do not show."
    )


def test_on_other_data_the_paper_is_not_called_on() -> None:
    said = _sentences(_trained("plain20", [12.0], MINI), _trained("plain56", [16.0], MINI))
    assert said[0].endswith("than plain-20 (12.00 %): degradation.")


def test_a_difference_no_larger_than_the_seeds_is_none() -> None:
    # The seeds of each are 1.41 apart, so differences of two single trainings are 2 apart.
    close = _written(_trained("plain20", [11.0, 13.0]), _trained("plain56", [12.5, 14.5]))
    assert close.pairs[0].verdict == "undecided"
    assert close.pairs[0].sentence == (
        "plain-56 (13.50 ± 1.41 %) and plain-20 (12.00 ± 1.41 %) cannot be told apart by their training "
        "errors."
    )
    far = _written(_trained("plain20", [11.0, 13.0]), _trained("plain56", [13.5, 15.5]))
    assert far.pairs[0].verdict == "higher"


def test_equal_errors_are_no_difference() -> None:
    pair = _written(_trained("plain20", [12.0]), _trained("plain56", [12.0])).pairs[0]
    assert pair.verdict == "undecided"


def test_each_two_depths_of_a_kind_are_compared() -> None:
    pairs = _written(
        *(_trained(f"plain{depth}", [float(depth)]) for depth in (56, 20, 32)),
        *(_trained(f"resnet{depth}", [100.0 / depth]) for depth in (20, 56)),
        _trained("nin", [1.0]),
    ).pairs
    assert [(pair.shallower, pair.deeper) for pair in pairs] == [
        ("plain-20", "plain-32"),
        ("plain-20", "plain-56"),
        ("plain-32", "plain-56"),
        ("ResNet-20", "ResNet-56"),
    ]


def test_only_depth_may_differ() -> None:
    slow: dict[str, Any] = {"recipe.learning_rate": 0.05}
    fast: dict[str, Any] = {"recipe.learning_rate": 0.1}
    written = _written(
        _trained("resnet20", [5.0], shortcut="A"),
        _trained("resnet32", [4.0], shortcut="B"),
        _trained("plain20", [5.0], **slow),
        _trained("plain32", [6.0], **fast),
    )
    assert written.pairs == ()


def test_a_network_that_did_not_come_to_its_end_is_not_compared() -> None:
    cut = [t.model_copy(update={"state": State.CANCELLED}) for t in _trained("plain56", [16.0])]
    assert _written(_trained("plain20", [12.0]), cut).pairs == ()


def test_the_pairs_are_summed_up() -> None:
    said = _written(
        *(_trained(f"plain{depth}", [float(depth)] * 2) for depth in (20, 32, 56)),
        _trained("resnet20", [4.0, 6.0]),
        _trained("resnet56", [4.0, 5.0]),
    ).sentences
    assert (
        "Of plain networks the deeper one ends with the higher training error in 3 of 3 pairs."
        in said
    )
    assert (
        "Of residual networks the deeper one ends with the higher training error in 0 of 1 pair; in 1 the "
        "seeds differ as much as the two networks."
    ) in said


def test_that_one_seed_proves_little_is_said() -> None:
    one = _written(_trained("plain20", [12.0]), _trained("plain56", [16.0])).sentences
    two = _written(_trained("plain20", [12.0, 12.1]), _trained("plain56", [16.0, 16.1])).sentences
    words = "chance may have had a part"
    assert any(words in each for each in one)
    assert not any(words in each for each in two)
