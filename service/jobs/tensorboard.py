"""The route of a job's TensorBoard event files: all of them as one zip, made while it is sent."""

from collections.abc import Iterable, Iterator
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from service.deps import JobId, JobsDep, ProjectDep
from service.errors import NotFound, StorageUnavailable
from service.problems import fails_with

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"])

FAST = 1
"""Of zlib's nine levels: of event files it leaves a quarter, the others hardly less."""


@router.get(
    "/tensorboard",
    summary="Download event files for TensorBoard",
    response_class=StreamingResponse,
    responses=fails_with(NotFound, StorageUnavailable)
    | {
        200: {
            "description": "A zip of event files, by attempt and split",
            "content": {
                "application/zip": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "(bytes)",
                }
            },
        }
    },
)
def download_event_files(job_id: JobId, project: ProjectDep, jobs: JobsDep) -> Response:
    """The metrics once more, for `tensorboard --logdir`: each attempt is two runs, `attempt-1/train` and
    `attempt-1/val`, of the steps that count. Of a running job they are half a minute behind at most; of one
    that has not begun the zip is empty."""
    files = jobs.records.event_files(project, job_id)
    headers = {"Content-Disposition": f'attachment; filename="{job_id}-tensorboard.zip"'}
    return StreamingResponse(zipped(files), media_type="application/zip", headers=headers)


def zipped(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """A zip of `files`, each with its name, in pieces: one file is in memory at a time."""
    sent = _Pieces()
    with ZipFile(sent, "w") as archive:  # type: ignore[call-overload]
        for name, content in files:
            entry = ZipInfo(name)
            entry.compress_type = ZIP_DEFLATED
            archive.writestr(entry, content, compresslevel=FAST)
            yield sent.take()
    yield sent.take()


class _Pieces:
    """A file that can be written but not sought in: what was written is taken out of it."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken
