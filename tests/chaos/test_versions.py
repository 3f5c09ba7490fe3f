"""The experiment with versions knows a wrong answer, and one that mixes versions."""

from typing import Any

from tests.chaos.versions import CLASSES, Known

RIGHT = {
    version: [
        [version / 10 if index == picture else 0.0 for index in range(CLASSES)]
        for picture in (0, 1)
    ]
    for version in (1, 2)
}
KNOWN = Known(files=["", ""], right=RIGHT)


def _answer(version: int, *results: list[float]) -> dict[str, Any]:
    """As the service gives it: the most probable class first."""
    shown = [
        sorted(
            ({"index": index, "probability": each} for index, each in enumerate(result)),
            key=lambda one: -one["probability"],
        )
        for result in results
    ]
    return {"version": version, "results": [{"predictions": each} for each in shown]}


def test_the_right_answer_of_either_version_is_right() -> None:
    for version, (first, second) in RIGHT.items():
        assert KNOWN.fault([1, 0], _answer(version, second, first)) is None


def test_an_answer_that_mixes_versions_is_found() -> None:
    mixed = _answer(1, RIGHT[1][0], RIGHT[2][1])
    assert KNOWN.fault([0, 1], mixed) == "an answer of version 1 has a result of [2]"
    named_wrongly = _answer(2, RIGHT[1][0], RIGHT[1][1])
    assert KNOWN.fault([0, 1], named_wrongly) == "an answer of version 2 has a result of [1]"


def test_an_answer_of_no_version_is_found() -> None:
    almost = [each + 0.001 for each in RIGHT[1][0]]
    assert KNOWN.fault([0], _answer(1, almost)) == "an answer of version 1 has a result of none"
    assert (
        KNOWN.fault([1], _answer(1, RIGHT[1][0])) == "an answer of version 1 has a result of none"
    )
    assert KNOWN.fault([0, 1], _answer(1, RIGHT[1][0])) == "1 results of 2 pictures"


def test_a_class_that_is_left_out_is_found() -> None:
    short = _answer(1, RIGHT[1][0])
    short["results"][0]["predictions"].pop(0)
    assert KNOWN.fault([0], short) is not None
