"""What the routes of `predictions` give."""

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from service.http.example import example
from service.jobs import prediction_examples
from service.jobs.outputs import Output
from service.jobs.read_schemas import FileOut
from trainer.contract.parts import Part

UrlOf = Callable[[str, str], str | None]
"""Where a file of a job's is open to anyone who has the URL; None: nowhere."""


class PartOut(FileOut, use_attribute_docstrings=True):
    """A Parquet file of the output."""

    images: int
    """Rows."""
    errors: int
    """Rows of what could not be classified; the column `error` says why."""


class PredictionsOut(BaseModel, use_attribute_docstrings=True):
    """The output of a batch prediction. The columns of its files are `row` (place in the listing, from 0),
    `file` and `sha256` (of a source's image), `labels`, `indices` and `probabilities` (lists, the most
    probable first), `error` (null where it was classified), `model` and `version`."""

    model_config = ConfigDict(
        json_schema_extra=example(
            lambda: PredictionsOut.of(prediction_examples.output(), lambda _, __: None)
        )
    )

    complete: bool
    """Whether every image is in it; until then these are the files that are whole so far."""
    prefix: str
    """Where the files lie in the object store."""
    model: str
    """`name:version`."""
    images: int
    """Rows of all files."""
    errors: int
    """Rows of what could not be classified."""
    files: list[PartOut]
    """In the order of their rows."""

    @classmethod
    def of(cls, found: Output, url_of: UrlOf) -> "PredictionsOut":
        return cls(
            complete=found.complete,
            prefix=found.prefix,
            model=found.model,
            images=sum(part.images for part in found.parts),
            errors=sum(part.errors for part in found.parts),
            files=[_file(found.job_id, part, url_of) for part in found.parts],
        )


def _file(job_id: str, part: Part, url_of: UrlOf) -> PartOut:
    name = part.file.name
    return PartOut(
        **part.file.model_dump(),
        url=url_of(job_id, name) or f"/jobs/{job_id}/predictions/files/{name}",
        images=part.images,
        errors=part.errors,
    )
