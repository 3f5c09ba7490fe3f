"""What all attempts of a job left behind, joined to the one run that led to its result.

An attempt goes on from a checkpoint of an earlier one (`started.json` says which): of that one only
what lies up to the checkpoint counts. So every step is there once, however often a job was restarted.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge

from service.jobs.chunks import Chunks, step_of
from service.jobs.kept import Kept
from trainer.contract import attempts, checkpoints, events, layout
from trainer.contract.attempts import Advance, LogLine, MetricPoint, Split, Started
from trainer.contract.checkpoints import Checkpoint
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import NoSuchObject, ObjectStore


@dataclass(frozen=True)
class Part:
    """What one attempt contributes."""

    attempt: int
    until: int | None
    """The last step of it that counts; None: all."""

    def counts(self, step: int) -> bool:
        return self.until is None or step <= self.until


@dataclass
class History:
    """Reads are cheap to repeat: of a growing record only its newest chunk is fetched again.
    Safe for several threads at once."""

    objects: ObjectStore
    _kept: Kept = field(init=False)
    _chunks: Chunks = field(init=False)

    def __post_init__(self) -> None:
        self._kept = Kept(self.objects)
        self._chunks = Chunks(self._kept)

    def parts(self, job_id: str, newest: int) -> list[Part]:
        """The attempts that led to where attempt `newest`, or the last one that began, is. Oldest
        first; an attempt without `started.json` has nothing."""
        begun = (self._started(job_id, number) for number in range(newest, 0, -1))
        current = next((started for started in begun if started), None)
        found: list[Part] = []
        until: int | None = None
        while current is not None:
            found.append(Part(current.attempt, until))
            until, before = current.resumed_step, current.resumed_attempt or 0
            current = self._started(job_id, before) if 0 < before < current.attempt else None
        return found[::-1]

    def metrics(
        self, job_id: str, newest: int, *, since_step: int = 0, split: Split | None = None
    ) -> list[MetricPoint]:
        """Points of `since_step` and later, by step, `train` before `val`, each once."""
        points: dict[tuple[int, Split], MetricPoint] = {}
        for part in self.parts(job_id, newest):
            if not part.counts(since_step):
                continue
            for point in self._points(layout.metrics(job_id, part.attempt), since_step):
                wanted = point.step >= since_step and (split is None or point.split == split)
                if wanted and part.counts(point.step):
                    points.setdefault((point.step, point.split), point)
        return [points[key] for key in sorted(points)]

    def newest_points(self, job_id: str, attempt: int) -> list[MetricPoint]:
        """The points of an attempt's newest chunk."""
        prefix = layout.metrics(job_id, attempt)
        keys = [found.key for found in self.objects.list(prefix + "/")]
        if not keys:
            return []
        lines = self.objects.get(keys[-1]).splitlines()
        return [MetricPoint.model_validate_json(line) for line in lines]

    def advance(self, job_id: str, attempt: int) -> Advance | None:
        """How far an attempt at a prediction says it is."""
        return attempts.read(self.objects, layout.progress(job_id, attempt), Advance)

    def logs(self, job_id: str, attempt: int) -> list[LogLine]:
        """What an attempt's driver and workers wrote, by time."""
        folder = layout.all_logs(job_id, attempt) + "/"
        ranks = {
            found.key.removeprefix(folder).split("/")[0] for found in self.objects.list(folder)
        }
        by_rank = [self._lines(layout.logs(job_id, attempt, rank)) for rank in sorted(ranks)]
        return list(merge(*by_rank, key=lambda line: line.time))  # a writer's order stays

    def event_files(self, job_id: str, newest: int) -> list[tuple[Part, str]]:
        """Keys of the event files of each attempt that counts."""
        return [
            (part, found.key)
            for part in self.parts(job_id, newest)
            for found in self.objects.list(layout.all_event_files(job_id, part.attempt) + "/")
        ]

    def read_event_files(self, files: list[tuple[Part, str]]) -> Iterator[tuple[str, bytes]]:
        """Name and content of each, without the steps that do not count."""
        for part, key in files:
            try:
                body = self.objects.get(key)
            except NoSuchObject:  # deleted since it was listed
                continue
            split, name = key.split("/")[-2:]
            counts = body if part.until is None else events.until(body, part.until)
            yield f"attempt-{part.attempt}/{split}/{name}", counts

    def checkpoints(self, job_id: str, newest: int) -> list[Checkpoint]:
        """Checkpoints that are whole, lowest step first."""
        by_step: dict[int, Checkpoint] = {}
        for part in self.parts(job_id, newest):
            for prefix in checkpoints.of_attempt(self.objects, job_id, part.attempt):
                found = self._checkpoint(prefix)
                if found and part.counts(found.meta.step):
                    by_step[found.meta.step] = found
        return [by_step[step] for step in sorted(by_step)]

    def _started(self, job_id: str, attempt: int) -> Started | None:
        key = layout.started(job_id, attempt)
        try:
            return Started.model_validate_json(self._kept.get(key, final=lambda _: True))
        except NoSuchObject:
            return None

    def _checkpoint(self, prefix: str) -> Checkpoint | None:
        try:
            return checkpoints.read(self.objects, prefix)
        except (NoSuchObject, Damaged):  # deleted since it was listed, or of no use
            return None

    def _points(self, prefix: str, since_step: int) -> Iterator[MetricPoint]:
        for lines in self._chunks.since(prefix, since_step):
            # Steps ascend: those that are too early need no parsing.
            start = bisect_left(lines, since_step, key=step_of)
            yield from (MetricPoint.model_validate_json(line) for line in lines[start:])

    def _lines(self, prefix: str) -> Iterator[LogLine]:
        for lines in self._chunks.read(prefix):
            yield from (LogLine.model_validate_json(line) for line in lines)
