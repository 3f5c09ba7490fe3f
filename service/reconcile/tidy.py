"""Drops the checkpoints that a job has no more use for, and what was never saved to its end. Used by the
reconciler; while an attempt lives it drops its own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from service.jobs.leftovers import Leftover, Leftovers
from service.lifecycle import HOLDING, Job
from trainer.contract import checkpoints, manifest
from trainer.contract.checkpoints import Checkpoint
from trainer.contract.lineage import Place, kept, lineage, places
from trainer.contract.manifest import MANIFEST, Damaged, FileEntry
from trainer.contract.objects.store import NoSuchObject, ObjectStore
from trainer.contract.spec import ResolvedSpec

COPIES_WITHIN = timedelta(minutes=10)
"""Files stay for so long after their manifest is gone: whoever makes a model version of them has done so by
then, and a process that was cut off from the rest has ended."""
JOBS_AT_ONCE = 10
DROPS_AT_ONCE = 20
FILES_AT_ONCE = 100
"""In one go: a tick may not take so long that another program takes over. For the same reason one file at
most is read."""

Line = dict[Place, Checkpoint | None]
"""Checkpoints, newest first; None: its manifest cannot be read."""


@dataclass
class Tidier:
    """May be interrupted anywhere: what is left is found by the next call."""

    leftovers: Leftovers
    objects: ObjectStore
    clock: Callable[[], datetime]
    _whole: dict[tuple[Place, str], bool] = field(default_factory=dict)
    """Files of the job at hand that were read: whether they are what their manifests say."""

    def tidy(self) -> None:
        """Look at some jobs, until one of them needs more than one look. Raises StoreUnavailable."""
        now = self.clock()
        for left in self.leftovers.due(now, limit=JOBS_AT_ONCE):
            again_at = self._tidy(left, now)
            if again_at == now:
                return
            self._whole.clear()
            self.leftovers.tidied(left, again_at=again_at)

    def _tidy(self, left: Leftover, now: datetime) -> datetime | None:
        """When to look at it again: `now` is at the next call, None is never more."""
        job = left.job
        closed = range(1, job.attempt + (job.state not in HOLDING))
        there = [found for number in closed for found in places(self.objects, job.id, number)]
        line = self._line(job)
        stay = _staying(job, line)
        surplus = [place for place in there if place.committed and place not in stay]
        if surplus and (unread := self._unread(line)):
            place, entry = unread
            whole = manifest.is_whole(self.objects, place.prefix, entry)
            self._whole[place, entry.name] = whole
            return now
        if surplus := [place for place in surplus if place not in self._spared(line)]:
            for place in surplus[:DROPS_AT_ONCE]:
                self.objects.delete(f"{place.prefix}/{MANIFEST}")
            return now if len(surplus) > DROPS_AT_ONCE else now + COPIES_WITHIN
        if now < left.since + COPIES_WITHIN:
            return left.since + COPIES_WITHIN
        return None if self._remove(place for place in there if not place.committed) else now

    def _line(self, job: Job) -> Line:
        """The committed checkpoints that led to where the job is, newest first."""
        line: Line = {}
        for place in lineage(self.objects, job.id, range(1, job.attempt + 1)):
            if place.committed:
                try:
                    line[place] = checkpoints.read(self.objects, place.prefix)
                except (Damaged, NoSuchObject):
                    line[place] = None
        return line

    def _unread(self, line: Line) -> tuple[Place, FileEntry] | None:
        """The file to read next to know which is the newest good checkpoint; None: it is known."""
        for place, found in line.items():
            entries = found.manifest.files if found else ()
            checks = [(entry, self._whole.get((place, entry.name))) for entry in entries]
            if any(whole is False for _, whole in checks):
                continue  # an older one has to do
            for entry, whole in checks:
                if whole is None:
                    return place, entry
            if found:
                return None
        return None

    def _spared(self, line: Line) -> set[Place]:
        """The newest good one; all of them if none is good."""
        for place, found in line.items():
            if found and all(self._whole.get((place, e.name)) for e in found.manifest.files):
                return {place}
        return set(line)

    def _remove(self, unfinished: Iterable[Place]) -> bool:
        """Delete files without a manifest; whether none is left after this."""
        left = (file for place in unfinished for file in self.objects.list(f"{place.prefix}/"))
        found = list(islice(left, FILES_AT_ONCE + 1))
        for file in found[:FILES_AT_ONCE]:
            self.objects.delete(file.key)
        return len(found) <= FILES_AT_ONCE


def _staying(job: Job, line: Line) -> set[Place]:
    """What stays by the job's own rule, and what cannot be judged."""
    if not isinstance(job.spec, ResolvedSpec):
        return set(line)
    errors = {
        place.step: found.meta.metrics.top1_error if found.meta.metrics else None
        for place, found in line.items()
        if found
    }
    steps = kept(errors, job.spec.keep_checkpoints)
    if job.result and job.result.best:
        steps.add(job.result.best.step)
    return {place for place, found in line.items() if found is None or place.step in steps}
