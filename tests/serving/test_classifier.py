"""A classifier gives the probabilities of its model version, and says which image it cannot read."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch

from deploy.classifier import Classifier, Question, Refused
from tests.serving.mutations import MUTATIONS, mutated
from tests.serving.pictures import kinds, png
from tests.serving.versions import CLASSES, Written, probabilities, write_checkpoint
from trainer.contract.objects.local import LocalStore
from trainer.contract.serving import ImageResult
from trainer.engines.choose import choose, here
from trainer.evaluation import version

CPU = torch.device("cpu")
Load = Callable[[Written], Classifier]


def answers(classifier: Classifier, images: list[bytes], top_k: int) -> tuple[ImageResult, ...]:
    (answered,) = classifier.classify([Question(classifier.prepare(images), top_k)])
    return answered


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def load(store: LocalStore) -> Load:
    def loaded(written: Written) -> Classifier:
        found = version.load(store, written.prefix, device=CPU)
        return Classifier(found, choose(found, here(CPU, 1), wanted="openvino-f32"))

    return loaded


def test_it_gives_the_probabilities_of_a_direct_forward_pass(store: LocalStore, load: Load) -> None:
    written = write_checkpoint(store, "job-1")
    images = [png(1), png(2), png(3)]
    for image, result in zip(images, answers(load(written), images, 10), strict=True):
        expected = probabilities(written, image)
        for prediction in result.predictions:
            assert prediction.probability == pytest.approx(expected[prediction.index], abs=1e-6)
            assert prediction.label == CLASSES[prediction.index]
        shown = [prediction.probability for prediction in result.predictions]
        assert shown == sorted(shown, reverse=True)
        assert sum(shown) == pytest.approx(1, abs=1e-5)


def test_more_classes_than_there_are_gives_them_all(store: LocalStore, load: Load) -> None:
    (result,) = answers(load(write_checkpoint(store, "job-1")), [png()], 1000)
    assert sorted(p.index for p in result.predictions) == list(range(len(CLASSES)))


def test_a_damaged_image_is_refused_or_gets_a_right_answer(store: LocalStore, load: Load) -> None:
    """The experiment `images` of tests/chaos sends thousands through the service."""
    written = write_checkpoint(store, "job-1")
    classifier, files, chance = load(written), list(kinds().values()), Random(1)
    seen: dict[str, set[int]] = {name: set() for name in MUTATIONS}
    for _ in range(300):
        name, image = mutated(files, chance)
        try:
            (result,) = answers(classifier, [image], 10)
        except Refused as refused:
            seen[name].add(refused.status)
            continue
        given = {each.index: each.probability for each in result.predictions}
        assert given == pytest.approx(dict(enumerate(probabilities(written, image))), abs=1e-5)
        seen[name].add(200)
    assert all(seen.values())
    assert set.union(*seen.values()) == {200, 413, 415}


def test_a_bad_image_among_several_is_named(store: LocalStore, load: Load) -> None:
    with pytest.raises(Refused) as refused:
        load(write_checkpoint(store, "job-1")).prepare([png(), b"no image"])
    assert (refused.value.index, refused.value.status) == (1, 415)


def test_questions_of_one_batch_keep_their_own_images_and_top_k(
    store: LocalStore, load: Load
) -> None:
    classifier = load(write_checkpoint(store, "job-1"))
    asked = [([png(1), png(2)], 3), ([png(3)], 1), ([png(4)], 1000)]
    questions = [Question(classifier.prepare(images), top_k) for images, top_k in asked]
    for (images, top_k), together in zip(asked, classifier.classify(questions), strict=True):
        alone = answers(classifier, images, top_k)
        assert [[p.index for p in result.predictions] for result in together] == [
            [p.index for p in result.predictions] for result in alone
        ]
        assert [len(result.predictions) for result in together] == [min(top_k, 10)] * len(images)
