"""Experiment: checkpoints of little trainings are damaged in every way that storage knows, and the next
attempt looks for where to go on from. Run by `python -m tests.chaos` and by `test_corruption`."""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.training.small_runs import JOB, Killed, Until, attempt, kill, order, small_spec
from tests.waiting import until
from trainer.contract.attempts import Order
from trainer.contract.lineage import Place, lineage, places
from trainer.contract.manifest import MANIFEST
from trainer.contract.objects.local import LocalStore
from trainer.contract.spec import ResolvedSpec
from trainer.training.resume import Found, Resumed, newest

LITTLE: dict[str, Any] = {
    **{"iterations": 12, "checkpoint_every": {"steps": 2}, "input_size": 16},
    **{"keep_checkpoints": {"last": 100}},
}
SPECS: tuple[dict[str, Any], ...] = (
    LITTLE,
    LITTLE | {"seed": 1, "batch_size": 32},
    LITTLE | {"recipe": {"ema_decay": 0.9}},
)
"""The last one has a moving average, so its checkpoints have a file more."""
KILLED_AFTER = 7
"""Steps of each job's first attempt."""
KEPT = Place(JOB, 1, 6)
"""The checkpoint that the second one went on from."""
MOST_DAMAGED = 4
"""Newest checkpoints of a job that are damaged at once, of six."""


@dataclass(frozen=True)
class Trained:
    """A job whose second attempt came to its end, with all its checkpoints."""

    store: LocalStore
    spec: ResolvedSpec
    line: list[Place]
    """Its checkpoints, newest first."""

    @classmethod
    def make(cls, folder: Path, spec: ResolvedSpec) -> "Trained":
        store = LocalStore(folder)
        with suppress(Killed):
            attempt(store, order(1, spec), lambda network: Until(network, KILLED_AFTER, kill))
        until(lambda: places(store, JOB, 1)[-1] == KEPT, within_s=60)  # it was still on its way
        attempt(store, order(2, spec))
        return cls(store, spec, lineage(store, JOB, (1, 2)))

    def copied(self, folder: Path) -> "Trained":
        """The same elsewhere, to be damaged."""
        shutil.copytree(self.store.root, folder)
        return Trained(LocalStore(folder), self.spec, self.line)

    def found(self, *, up_to: int | None = None) -> Found:
        """What a third attempt goes on from."""
        spec = self.spec.model_copy(update={"iterations": up_to or self.spec.iterations})
        asked: Order = order(3, spec)
        return newest(self.store, asked, spec)

    def folder(self, place: Place) -> Path:
        return self.store.root / place.prefix


@dataclass
class Trial:
    """A copy of a job whose newest checkpoints are damaged."""

    whole: Trained
    copy: Trained
    all: list[Trained]
    """Undamaged jobs, from which files are taken."""
    chance: random.Random
    done: list[str] = field(default_factory=list)
    """What was done to its checkpoints, from the newest on."""

    def damage(self) -> None:
        for place in self.copy.line[: self.chance.randint(1, MOST_DAMAGED)]:
            name = self.chance.choice(list(DAMAGES))
            DAMAGES[name](self, self.copy.folder(place))
            self.done.append(name)

    def wrong(self) -> list[str]:
        """Sentences that say what is not as it must be."""
        found, good = self.copy.found(), self.copy.line[len(self.done)]
        what = f"{self.whole.spec.seed} with {', '.join(self.done)}:"
        if found.state is None or found.step != good.step:
            return [f"{what} went on from step {found.step} and not from {good}"]
        expected = [f"{place}: " for place in self.copy.line[: len(self.done)]]
        said = [why[: len(begin)] for why, begin in zip(found.skipped, expected, strict=False)]
        wrong = [] if said == expected else [f"{what} said {found.skipped}"]
        whole = self.whole.found(up_to=good.step).state
        return wrong if whole and same(found.state, whole) else [*wrong, f"{what} loaded otherwise"]

    def file(self, folder: Path) -> Path:
        """A file of a checkpoint, but for its manifest."""
        return self.chance.choice([one for one in _files(folder) if one.name != MANIFEST])

    def other(self, folder: Path) -> Path:
        """The folder of another checkpoint, of any job."""
        job = self.chance.choice(self.all)
        mine = folder.relative_to(self.copy.store.root).as_posix()
        return job.folder(self.chance.choice([one for one in job.line if one.prefix != mine]))


def same(one: Resumed, other: Resumed) -> bool:
    """Whether all tensors are equal, bit for bit."""
    pairs = [(one.weights, other.weights), (one.momentum, other.momentum)]
    pairs.append((one.average or {}, other.average or {}))
    return all(
        mine.keys() == theirs.keys() and all(mine[name].equal(theirs[name]) for name in mine)
        for mine, theirs in pairs
    )


def _flip(trial: Trial, path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[trial.chance.randrange(len(content))] ^= 1 << trial.chance.randrange(8)
    path.write_bytes(content)


def _cut(trial: Trial, path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: trial.chance.randrange(len(content))])


def _swap_file(trial: Trial, folder: Path) -> None:
    """Some files are the same in several checkpoints; those of another are taken."""
    while True:
        mine, theirs = trial.file(folder), trial.other(folder)
        if (taken := theirs / mine.name).exists() and taken.read_bytes() != mine.read_bytes():
            shutil.copyfile(taken, mine)
            return


def _swap_all(trial: Trial, folder: Path) -> None:
    other = trial.other(folder)
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


DAMAGES: dict[str, Callable[[Trial, Path], None]] = {
    "bit of a file": lambda trial, folder: _flip(trial, trial.file(folder)),
    "file cut off": lambda trial, folder: _cut(trial, trial.file(folder)),
    "file missing": lambda trial, folder: trial.file(folder).unlink(),
    "file of another": _swap_file,
    "bit of the manifest": lambda trial, folder: _flip(trial, folder / MANIFEST),
    "manifest cut off": lambda trial, folder: _cut(trial, folder / MANIFEST),
    "manifest missing": lambda trial, folder: (folder / MANIFEST).unlink(),
    "manifest of another": lambda trial, folder: _take(trial.other(folder) / MANIFEST, folder),
    "everything of another": _swap_all,
}


def _take(file: Path, folder: Path) -> None:
    shutil.copyfile(file, folder / file.name)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """`n` damaged checkpoints, up to four at once in a job."""
    jobs = [
        Trained.make(folder / f"job-{number}", small_spec(**spec))
        for number, spec in enumerate(SPECS)
    ]
    chance, damages, wrong = random.Random(seed), Counter[str](), list[str]()
    while damages.total() < n:
        whole = chance.choice(jobs)
        trial = Trial(whole, whole.copied(folder / "copy"), jobs, chance)
        trial.damage()
        wrong += trial.wrong()
        damages.update(trial.done)
        shutil.rmtree(folder / "copy")
        if damages.total() % 100 < len(trial.done):
            say(f"{damages.total()} damaged checkpoints, {len(wrong)} mistakes")
    return {"damaged": damages.total(), "by": dict(damages), "violations": wrong}
