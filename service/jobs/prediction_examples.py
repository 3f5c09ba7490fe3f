"""A prediction and its output, as examples for the API's document."""

from typing import Any

from service.jobs.outputs import Output
from trainer.contract import layout
from trainer.contract.manifest import FileEntry
from trainer.contract.parts import Part

BODY: dict[str, Any] = {
    "kind": "predict",
    "model": "fashion",
    "dataset": "fashion-mnist-mini",
    "top_k": 3,
}
JOB_ID = "job-1k0y66x3t7vqa2dz50f"


def output() -> Output:
    file = FileEntry(name=layout.part_name(0), size=21_504, sha256="0" * 64)
    part = Part(number=0, file=file, images=512, errors=1)
    return Output(job_id=JOB_ID, model="fashion:1", complete=False, parts=(part,))
