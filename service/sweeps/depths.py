"""The degradation check of a sweep's report: of each two depths that differ in nothing else, which has the
higher training error."""

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from pydantic import BaseModel

from service.sweeps import spread
from service.sweeps.measured import Kind
from service.sweeps.rows import Row
from service.sweeps.spread import Spread
from trainer.contract.family import Family
from trainer.contract.space import canonical

Verdict = Literal["higher", "lower", "undecided"]
"""undecided: the difference is no larger than the seeds' spread."""

FIGURE = {Family.CIFAR: "Fig. 6", Family.IMAGENET: "Fig. 4"}
"""Of the paper, where it shows the degradation."""


class Pair(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A deeper and a shallower network of one kind, both trained to the end."""

    kind: Kind
    deeper: str
    """Name of its row."""
    shallower: str
    """Name of its row."""
    deeper_error: Spread
    """Training error in percent."""
    shallower_error: Spread
    """Training error in percent."""
    verdict: Verdict
    """On the deeper one's training error."""
    sentence: str


def pairs(rows: Sequence[Row]) -> tuple[Pair, ...]:
    """Plain ones first, then residual ones, each by depth."""
    alike: dict[str, list[Row]] = {}
    for row in rows:
        if row.kind != "baseline" and row.ending == "finished" and row.means.training_error:
            rest = row.varied | {"kind": row.kind, "family": row.family, "shortcut": row.shortcut}
            alike.setdefault(canonical(rest), []).append(row)
    return tuple(
        pair
        for group in alike.values()
        for one, other in combinations(sorted(group, key=lambda row: row.depth), 2)
        if one.depth < other.depth and (pair := _pair(one, other))
    )


def _pair(shallower: Row, deeper: Row) -> Pair | None:
    less, more = shallower.means.training_error, deeper.means.training_error
    if less is None or more is None:
        return None
    verdict = _verdict(less, more)
    return Pair(
        kind=deeper.kind,
        deeper=deeper.name,
        shallower=shallower.name,
        deeper_error=more,
        shallower_error=less,
        verdict=verdict,
        sentence=_sentence(shallower, deeper, verdict),
    )


def _verdict(less: Spread, more: Spread) -> Verdict:
    difference = more.mean - less.mean
    if abs(difference) <= (spread.between(less, more) or 0.0):
        return "undecided"
    return "higher" if difference > 0 else "lower"


def _sentence(shallower: Row, deeper: Row, verdict: Verdict) -> str:
    other = f"{shallower.name} ({_error(shallower)})"
    if verdict == "undecided":
        one = f"{deeper.name} ({_error(deeper)})"
        return f"{one} and {other} cannot be told apart by their training errors."
    plain = deeper.kind == "plain"
    as_in_paper = shallower.beside.apart.comparable and deeper.beside.apart.comparable
    match verdict, plain, as_in_paper:
        case "lower", _, _:
            meaning = "no degradation"
        case _, True, True:
            meaning = f"the degradation of the paper's {FIGURE[deeper.family]}"
        case _, False, True:
            meaning = "degradation, which the paper's residual networks do not show"
        case _:
            meaning = "degradation"
    return f"{deeper.name} ends with a {verdict} training error ({_error(deeper)}) than {other}: {meaning}."


def _error(row: Row) -> str:
    found = row.means.training_error
    return f"{found.said()} %" if found else "not measured"


def summary(found: Sequence[Pair]) -> list[str]:
    """What the pairs come to, a sentence for each kind; and how far they can be trusted."""
    said = []
    for kind in dict.fromkeys(pair.kind for pair in found):
        mine = [pair.verdict for pair in found if pair.kind == kind]
        words = f"Of {kind} networks the deeper one ends with the higher training error in "
        words += f"{mine.count('higher')} of {len(mine)} {'pair' if len(mine) == 1 else 'pairs'}"
        if unclear := mine.count("undecided"):
            words += f"; in {unclear} the seeds differ as much as the two networks"
        said.append(f"{words}.")
    if any(spread.between(p.deeper_error, p.shallower_error) is None for p in found):
        said.append(
            "Networks of one seed are compared as they came out: chance may have had a part."
        )
    return said
