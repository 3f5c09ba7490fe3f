"""The output of predictions: which of its files are whole, and how to read them. The routes of `predictions`
use it."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from service.errors import NotFound
from service.jobs.download import StoredFile
from service.jobs.kept import Kept
from service.jobs.records import URL_LASTS
from service.lifecycle import Job
from trainer.contract import layout, parts
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import NoSuchObject, ObjectStore
from trainer.contract.parts import Part
from trainer.contract.prediction import ResolvedPrediction


@dataclass(frozen=True)
class Output:
    """What a prediction has written."""

    job_id: str
    model: str
    """`name:version`."""
    complete: bool
    """Whether that is all of it."""
    parts: tuple[Part, ...]
    """Those that are whole, lowest first."""

    @property
    def prefix(self) -> str:
        """Of the files, in the object store."""
        return layout.predictions(self.job_id)


@dataclass(frozen=True)
class Outputs:
    """Every method raises NotFound for a job that is not there, not the project's, or no prediction."""

    get: Callable[[str, str], Job]
    """A project's job by its id. Raises NotFound."""
    objects: ObjectStore
    _kept: Kept = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_kept", Kept(self.objects))

    def of(self, project: str, job_id: str) -> Output:
        """A file whose mark cannot be read is not in it, nor is it complete by a manifest that cannot be."""
        job, spec = self._prediction(project, job_id)
        model = f"{spec.model.name}:{spec.model.version}"
        with suppress(Damaged):
            if (whole := parts.finished(self.objects, job.id)) is not None:
                return Output(job.id, model, complete=True, parts=whole)
        found: list[Part] = []
        for number in parts.done_numbers(self.objects, job.id):
            with suppress(Damaged, NoSuchObject):  # or it was deleted since it was listed
                found.append(self._part(job.id, number))
        return Output(job.id, model, complete=False, parts=tuple(found))

    def url(self, job_id: str, name: str) -> str | None:
        """Where anyone can fetch a file for a while; None: only from the service. A secret."""
        return self.objects.presigned(f"{layout.predictions(job_id)}/{name}", URL_LASTS)

    def file(self, project: str, job_id: str, name: str) -> StoredFile:
        """A file that is whole. Raises NotFound."""
        job, _ = self._prediction(project, job_id)
        number = layout.part_number(name)
        try:
            if number is None:
                raise NoSuchObject(name)
            found = self._part(job.id, number).file
        except (NoSuchObject, Damaged) as error:
            raise NotFound(
                f"There is no such file; GET /jobs/{job.id}/predictions lists those that there are."
            ) from error
        return StoredFile(found, partial(self.objects.stream, layout.part(job.id, number)))

    def _prediction(self, project: str, job_id: str) -> tuple[Job, ResolvedPrediction]:
        job = self.get(project, job_id)
        if not isinstance(job.spec, ResolvedPrediction):
            raise NotFound(
                f"Job {job.id} is no prediction; submit one with 'kind': 'predict', a model and images."
            )
        return job, job.spec

    def _part(self, job_id: str, number: int) -> Part:
        """Raises NoSuchObject, Damaged."""
        return parts.read_done(self._kept.get(layout.done(job_id, number), final=lambda _: True))
