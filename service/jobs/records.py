"""What jobs leave behind: metrics, logs, checkpoints, analyses. The routes of `reading` and the
registry of models use it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from service.errors import NotFound
from service.jobs.download import StoredFile
from service.jobs.history import History
from service.lifecycle import Job
from trainer.contract import layout
from trainer.contract.analysis import Analysis
from trainer.contract.attempts import LogLine, MetricPoint, Split
from trainer.contract.checkpoints import Checkpoint
from trainer.contract.evaluation import ResolvedEvaluation
from trainer.contract.objects.store import NoSuchObject, ObjectStore

URL_LASTS = timedelta(minutes=15)
"""How long a URL of the object store opens its one object: long enough to begin a download."""
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Records:
    """Every method raises NotFound for a job that is not there, or not the project's."""

    get: Callable[[str, str], Job]
    """A project's job by its id. Raises NotFound."""
    objects: ObjectStore
    history: History

    def metrics(
        self, project: str, job_id: str, *, since_step: int = 0, split: Split | None = None
    ) -> list[MetricPoint]:
        """Points of `since_step` and later over all attempts: each (step, split) once, by step,
        `train` before `val`."""
        job = self.get(project, job_id)
        return self.history.metrics(job.id, job.attempt, since_step=since_step, split=split)

    def logs(  # noqa: PLR0913 - one parameter for each of the query's
        self,
        project: str,
        job_id: str,
        *,
        attempt: int | None = None,
        rank: str | None = None,
        level: str | None = None,
        q: str | None = None,
    ) -> list[LogLine]:
        """Lines of all attempts in turn, each attempt's by time. `level` is the least severe that is
        wanted; `q` is part of the message, in whatever case."""
        job = self.get(project, job_id)
        wanted = LEVELS[LEVELS.index(level) :] if level in LEVELS else LEVELS
        return [
            line
            for number in range(1, job.attempt + 1)
            if attempt in (None, number)
            for line in self.history.logs(job.id, number)
            if rank in (None, line.rank)
            and line.level in wanted
            and (q or "").casefold() in line.message.casefold()
        ]

    def checkpoints(self, project: str, job_id: str) -> list[Checkpoint]:
        """Those that can be used, lowest step first; a step has one at most."""
        job = self.get(project, job_id)
        return self.history.checkpoints(job.id, job.attempt)

    def checkpoint_url(self, found: Checkpoint, name: str) -> str | None:
        """Where anyone can fetch this one file for a while; None: only from the service. A secret."""
        return self.objects.presigned(f"{found.prefix}/{name}", URL_LASTS)

    def checkpoint_file(self, project: str, job_id: str, step: int, name: str) -> StoredFile:
        """A file of a listed checkpoint. Raises NotFound."""
        for found in self.checkpoints(project, job_id):
            for entry in found.manifest.files:
                if found.meta.step == step and entry.name == name:
                    return StoredFile(entry, partial(self.objects.stream, f"{found.prefix}/{name}"))
        raise NotFound(
            f"There is no such file; GET /jobs/{job_id}/checkpoints lists those that there are."
        )

    def event_files(self, project: str, job_id: str) -> Iterator[tuple[str, bytes]]:
        """TensorBoard's files, by the names of their runs, each attempt's up to the step that its successor
        went on from. They are listed at once, and read one by one."""
        job = self.get(project, job_id)
        found = self.history.event_files(job.id, job.attempt)
        return self.history.read_event_files(found)

    def analysis(self, project: str, job_id: str) -> Analysis:
        """An evaluation's analysis. Raises NotFound while there is none."""
        return Analysis.model_validate_json(self._analysed(project, job_id, layout.analysis))

    def analysis_picture(self, project: str, job_id: str) -> bytes:
        """The same as PNG. Raises NotFound while there is none."""
        return self._analysed(project, job_id, layout.analysis_picture)

    def _analysed(self, project: str, job_id: str, key: Callable[[str, int], str]) -> bytes:
        job = self.get(project, job_id)
        if not (isinstance(job.spec, ResolvedEvaluation) and job.spec.analyse):
            raise NotFound(
                f"Job {job.id} was not asked for an analysis; submit an evaluation with 'analyse': true."
            )
        try:
            return self.objects.get(key(job.id, job.attempt))
        except NoSuchObject as error:
            raise NotFound(
                f"Job {job.id} is {job.state} and has no analysis (yet); it is written when the images "
                "are counted."
            ) from error
