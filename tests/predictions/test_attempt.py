"""An attempt makes what is missing and no more: killed anywhere, its successor ends with the same bytes."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.predictions.attempts import (
    JOB,
    ROWS,
    files,
    here,
    order,
    prediction,
    registered,
    rows,
    run,
)
from trainer.contract import attempts, layout, manifest, parts
from trainer.contract.attempts import Advance, Halt, Heartbeat, Order, Outcome, Started
from trainer.contract.checkpoints import WEIGHTS
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code, reason
from trainer.data.arrays import prepare_split
from trainer.data.load import raw
from trainer.engines import openvino
from trainer.evaluation import version
from trainer.predictions import driver
from trainer.predictions.keeping import keep
from trainer.predictions.task import Report, Task
from trainer.predictions.worker import Worker, maker
from trainer.training.endings import WorkerLost

IMAGES = 360
PARTS = 8
CPU = torch.device("cpu")
WHY = reason(Code.PAUSED_BY_USER, "Somebody asked for it.")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    store = LocalStore(tmp_path_factory.mktemp("undisturbed"))
    run(store, order(registered(store)))
    return store


def begun(store: LocalStore, what: Order, done: int) -> None:
    """An attempt that dies when `done` parts are made."""

    def dying(tasks: Iterable[Task]) -> Iterator[Report]:
        for number, report in enumerate(here(maker(store, what), tasks)):
            if number == done:
                raise KeyboardInterrupt  # it gets no word out, as after SIGKILL
            yield report

    with pytest.raises(KeyboardInterrupt):
        driver.attempt(prediction(store, what), dying)


def test_every_image_is_one_row_with_its_most_probable_classes(undisturbed: LocalStore) -> None:
    found = rows(undisturbed)
    assert [row["row"] for row in found] == list(range(IMAGES))
    loaded = version.load(undisturbed, registered(undisturbed).prefix, device=CPU)
    split = raw(DATASETS["digits"], undisturbed).val
    pixels = prepare_split(split, loaded.meta.transform).pixels
    best = loaded.logits(pixels).softmax(dim=1).topk(5, dim=1)
    for row, indices, probabilities in zip(found, best.indices, best.values, strict=True):
        assert row["indices"] == indices.tolist()
        assert row["probabilities"] == pytest.approx(probabilities.tolist(), rel=1e-4)
        assert row["labels"] == [loaded.meta.class_names[index] for index in row["indices"]]
        assert (row["error"], row["file"], row["model"], row["version"]) == (
            None,
            None,
            "digits",
            3,
        )


@pytest.mark.parametrize(
    ("precision", "multiplies", "engine"),
    [
        ("fp32", True, "openvino-f32"),
        ("bf16", True, "openvino-bf16"),
        ("bf16", False, "openvino-f32"),
    ],
)
def test_a_precision_has_its_engine_and_no_measurement_decides(
    store: LocalStore,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    multiplies: bool,
    engine: str,
) -> None:
    if multiplies and precision == "bf16" and not openvino.multiplies_bf16():
        pytest.skip("this processor has no bfloat16")
    monkeypatch.setattr(openvino, "multiplies_bf16", lambda: multiplies)
    assert maker(store, order(registered(store), precision=precision)).engine.name == engine


def test_the_manifest_names_every_file_with_its_hash_and_counts(undisturbed: LocalStore) -> None:
    whole = parts.finished(undisturbed, JOB)
    assert whole is not None
    assert [part.images for part in whole] == [ROWS] * 7 + [10]
    for part in whole:
        assert manifest.is_whole(undisturbed, layout.predictions(JOB), part.file)


def test_the_outcome_says_what_it_came_to(store: LocalStore) -> None:
    ended = run(store, order(registered(store), split="train", rows_per_file=1000))
    assert ended.status == "succeeded"
    assert ended.predictions is not None
    assert ended.predictions.model_dump() == {
        "model": "digits:3",
        "images": DATASETS["digits"].train_images,
        "errors": 0,
        "files": 2,
    }


@pytest.mark.parametrize("done", [0, 3, PARTS - 1])
def test_a_successor_makes_only_what_is_missing_and_ends_with_the_same_bytes(
    done: int, undisturbed: LocalStore, store: LocalStore
) -> None:
    model = registered(store)
    begun(store, order(model), done)
    asked: list[int] = []

    def counted(tasks: Iterable[Task]) -> Iterator[Report]:
        wanted = list(tasks)
        asked.extend(task.number for task in wanted)
        return here(maker(store, order(model)), wanted)

    ended = driver.attempt(prediction(store, order(model, attempt=2)), counted)
    assert ended is not None
    assert ended.predictions is not None
    assert (ended.status, ended.predictions.images) == ("succeeded", IMAGES)
    # The part that was made and not reported counts: it is whole.
    assert asked == list(range(done + 1, PARTS))
    assert files(store) == files(undisturbed)
    started = attempts.read(store, layout.started(JOB, 2), Started)
    assert started is not None
    assert started.resumed_step == min((done + 1) * ROWS, IMAGES)


def test_a_part_that_is_not_marked_or_whose_mark_is_damaged_is_made_again_and_is_the_same(
    undisturbed: LocalStore, store: LocalStore
) -> None:
    begun(store, order(registered(store)), 2)
    store.delete(layout.done(JOB, 1))
    store.put(layout.done(JOB, 0), b"nothing")
    run(store, order(registered(store), attempt=2))
    assert files(store) == files(undisturbed)


def test_an_attempt_that_died_before_its_outcome_makes_nothing_again(store: LocalStore) -> None:
    model = registered(store)
    first = run(store, order(model))
    written = manifest.read(store, layout.predictions(JOB))

    def nothing(tasks: Iterable[Task]) -> Iterator[Report]:
        raise AssertionError(f"all is done, and {list(tasks)} is asked for")

    again = driver.attempt(prediction(store, order(model, attempt=2)), nothing)
    assert again is not None
    assert again.predictions == first.predictions
    assert manifest.read(store, layout.predictions(JOB)) == written


@pytest.mark.parametrize("workers", [2, 4])
def test_the_number_of_workers_changes_no_byte(
    workers: int, undisturbed: LocalStore, store: LocalStore
) -> None:
    what = order(registered(store), workers=workers)
    makers = [maker(store, what) for _ in range(workers)]

    def shared(tasks: Iterable[Task]) -> Iterator[Report]:
        for number, task in enumerate(sorted(tasks, key=lambda task: -task.number)):
            yield from here(makers[number % workers], [task])

    assert driver.attempt(prediction(store, what), shared) is not None
    assert files(store) == files(undisturbed)


def test_of_two_who_make_a_part_the_first_stands(store: LocalStore) -> None:
    made = maker(store, order(registered(store)))
    task = Task(number=0, start=0, stop=2, files=())
    first = made.make(task)
    other = maker(store, order(registered(store, seed=1))).make(task)  # as if it rounded otherwise
    assert other == first
    assert keep(store, JOB, 0, b"of a zombie") == first


def test_it_says_how_far_it_is_and_how_fast(store: LocalStore) -> None:
    run(store, order(registered(store)))
    told = attempts.read(store, layout.progress(JOB, 1), Advance)
    assert told is not None
    assert (told.images, told.of) == (IMAGES, IMAGES)
    assert told.images_per_second is not None
    assert told.images_per_second > 0


def test_a_prediction_that_is_asked_to_end_keeps_what_is_whole(store: LocalStore) -> None:
    what = order(registered(store))
    going = prediction(store, what)

    def asked(tasks: Iterable[Task]) -> Iterator[Report]:
        for number, report in enumerate(here(maker(store, what), tasks)):
            if number == 2:
                going.signs.halt = Halt(job_id=JOB, attempt=1, reason=WHY, at=going.signs.clock())
            yield report

    ended = driver.attempt(going, asked)
    assert ended is not None
    assert (ended.status, ended.reason) == ("halted", WHY)
    assert sorted(going.kept) == [0, 1, 2]
    assert parts.finished(store, JOB) is None


def test_an_attempt_that_was_closed_ends_without_an_outcome(store: LocalStore) -> None:
    what = order(registered(store))
    going = prediction(store, what)
    closed = Outcome(job_id=JOB, attempt=1, status="given_up", at=going.signs.clock())
    attempts.commit_outcome(store, closed)

    def fenced(tasks: Iterable[Task]) -> Iterator[Report]:
        going.signs.look()
        return here(maker(store, what), tasks)

    assert driver.attempt(going, fenced) is None


def test_an_attempt_that_was_started_before_does_nothing(store: LocalStore) -> None:
    store.put(layout.started(JOB, 1), b"{}")
    assert driver.attempt(prediction(store, order(registered(store))), lambda _: iter(())) is None


def test_an_output_that_lacks_a_part_gets_no_manifest(store: LocalStore) -> None:
    what = order(registered(store))

    def forgetful(tasks: Iterable[Task]) -> Iterator[Report]:
        return here(maker(store, what), list(tasks)[1:])

    ended = driver.attempt(prediction(store, what), forgetful)
    assert ended is not None
    assert ended.reason is not None
    assert (ended.status, ended.reason.code) == ("failed", Code.INTERNAL)
    assert parts.finished(store, JOB) is None


def test_a_worker_that_is_lost_ends_the_attempt_with_that_reason(store: LocalStore) -> None:
    def lost(tasks: Iterable[Task]) -> Iterator[Report]:
        raise WorkerLost("a worker gave no sign of life for 30 s")

    ended = driver.attempt(prediction(store, order(registered(store))), lost)
    assert ended is not None
    assert ended.reason is not None
    assert (ended.status, ended.reason.code) == ("failed", Code.WORKER_LOST)


def test_a_worker_gives_signs_of_life_while_it_works_and_then_says_that_it_is_done(
    store: LocalStore,
) -> None:
    what = order(registered(store))
    worker = Worker(store.root.as_uri(), what.model_dump_json(), "some-worker")
    ended = driver.attempt(prediction(store, what), partial(map, worker))
    assert ended is not None
    assert ended.status == "succeeded"
    beat = attempts.read(store, layout.heartbeat(JOB, 1, "some-worker"), Heartbeat)
    assert beat is not None
    assert beat.ended


def test_a_damaged_model_is_reported_by_the_worker_and_ends_the_attempt(
    store: LocalStore, tmp_path: Path
) -> None:
    model = registered(store)
    store.put(f"{model.prefix}/{WEIGHTS}", b"nothing")
    what = order(model)
    worker = Worker(store.root.as_uri(), what.model_dump_json(), "some-worker")
    ended = driver.attempt(prediction(store, what), partial(map, worker))
    assert ended is not None
    assert ended.reason is not None
    assert (ended.status, ended.reason.code) == ("failed", Code.MODEL_UNUSABLE)
    assert "digits:3 cannot be used" in ended.reason.message
