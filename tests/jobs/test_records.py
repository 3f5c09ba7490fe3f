"""What a job left behind, read over all its attempts."""

from pathlib import Path

import pytest

from service.errors import NotFound
from tests.jobs.conftest import World, asked
from tests.jobs.making import begin, measure, point, save_checkpoint
from trainer.contract import layout
from trainer.contract.attempts import LogLine
from trainer.contract.journal import JournalWriter


def test_metrics_and_checkpoints_are_read_over_all_attempts(world: World, tmp_path: Path) -> None:
    job, _ = world.jobs.create("default", asked())
    world.start(job)
    begin(world.objects, job.id, 1)
    measure(world.objects, job.id, 1, [point(1), point(2), point(2, "val")])
    prefix = save_checkpoint(world.objects, job.id, 1, 2, tmp_path)
    assert len(world.jobs.records.metrics("default", job.id)) == 3
    assert world.jobs.records.metrics("default", job.id, split="val") == [point(2, "val")]
    assert [found.prefix for found in world.jobs.records.checkpoints("default", job.id)] == [prefix]


def test_a_file_of_a_listed_checkpoint_can_be_fetched_and_no_other(
    world: World, tmp_path: Path
) -> None:
    job, _ = world.jobs.create("default", asked())
    world.start(job)
    begin(world.objects, job.id, 1)
    save_checkpoint(world.objects, job.id, 1, 2, tmp_path)
    file = world.jobs.records.checkpoint_file("default", job.id, 2, "model.safetensors")
    body = b"".join(file.read(0, None))
    assert (body, file.entry.size) == (b"weights of step 2", len(body))
    assert b"".join(file.read(3, 7)) == body[3:7]
    for step, name in [(3, "model.safetensors"), (2, "manifest.json"), (2, "../2/x"), (2, "")]:
        with pytest.raises(NotFound):
            world.jobs.records.checkpoint_file("default", job.id, step, name)


def test_logs_are_filtered_by_what_is_asked(world: World) -> None:
    job, _ = world.jobs.create("default", asked())
    world.start(job)
    written = [("driver", "info", "Placed"), ("0", "warning", "slow DISK"), ("0", "debug", "step")]
    for rank, level, message in written:
        line = {"time": world.clock(), "level": level, "rank": rank, "message": message}
        record = LogLine.model_validate(line).model_dump(mode="json")
        JournalWriter(world.objects, layout.logs(job.id, 1, f"{rank}{level}")).append([record])

    def messages(**asked: object) -> list[str]:
        return sorted(
            line.message
            for line in world.jobs.records.logs("default", job.id, **asked)  # type: ignore[arg-type]
        )

    assert messages() == ["Placed", "slow DISK", "step"]
    assert messages(attempt=2) == []
    assert messages(attempt=1, rank="0") == ["slow DISK", "step"]
    assert messages(level="info") == ["Placed", "slow DISK"]
    assert messages(q="disk") == ["slow DISK"]
