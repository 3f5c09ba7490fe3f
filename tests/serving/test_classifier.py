"""A classifier gives the probabilities of its model versions, and says which image it cannot read."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import get_args

import pytest
import torch
from torch import Tensor

from deploy.classifier import BadImage, Classifier, Member, Question, member
from tests.serving.mutations import MUTATIONS, mutated
from tests.serving.pictures import kinds, png
from tests.serving.versions import CLASSES, Written, probabilities, write_checkpoint
from trainer.contract.evaluation import EvaluatedModel, Protocol
from trainer.contract.objects.local import LocalStore
from trainer.contract.serving import ImageResult
from trainer.data.dataset import Images
from trainer.engines.choose import here
from trainer.engines.eager import Eager
from trainer.engines.engine import Engine, Given, Kind
from trainer.engines.openvino import OpenVino
from trainer.engines.views import Views
from trainer.evaluation import version
from trainer.evaluation.scores import Candidate, scores
from trainer.images import decode, prepare
from trainer.training.device import autocast

CPU = torch.device("cpu")
Load = Callable[..., Classifier]


def answers(
    classifier: Classifier, images: list[bytes], top_k: int, protocol: Protocol = "center"
) -> tuple[ImageResult, ...]:
    (answered,) = classifier.classify([Question(classifier.prepare(images), top_k, protocol)])
    return answered


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def load(store: LocalStore) -> Load:
    def one(written: Written, wanted: str) -> Member:
        found = version.load(store, written.prefix, device=CPU)
        model = EvaluatedModel(name=written.meta.job_id, version=1, prefix=written.prefix)
        return member(model, found, here(CPU, 1), wanted=wanted)

    def loaded(*written: Written, engine: str = "openvino-f32") -> Classifier:
        return Classifier(tuple(one(each, engine) for each in written))

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
        except BadImage as refused:
            seen[name].add(413 if refused.too_large else 415)
            continue
        given = {each.index: each.probability for each in result.predictions}
        assert given == pytest.approx(dict(enumerate(probabilities(written, image))), abs=1e-5)
        seen[name].add(200)
    assert all(seen.values())
    assert set.union(*seen.values()) == {200, 413, 415}


def test_a_bad_image_among_several_is_named(store: LocalStore, load: Load) -> None:
    with pytest.raises(BadImage) as refused:
        load(write_checkpoint(store, "job-1")).prepare([png(), b"no image"])
    assert (refused.value.index, refused.value.too_large) == (1, False)


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


def evaluated(
    classifier: Classifier, images: list[bytes], protocol: Protocol
) -> list[dict[int, float]]:
    """What an evaluation by the protocol makes of the same images: each class's probability."""
    pictures = [decode(image) for image in images]
    candidates = []
    for each in classifier.members:
        transform = each.version.meta.transform
        pixels = torch.stack([prepare(picture, transform) for picture in pictures])
        shown = Images(pixels, torch.zeros(len(images), dtype=torch.long))
        network = each.version.network
        candidates.append(Candidate(network, each.version.pixel_mean, transform, shown))
    exact = autocast(CPU, "fp32")
    found = scores(candidates, slice(0, len(images)), protocol=protocol, precision=exact)
    return [dict(enumerate(row)) for row in found.exp().tolist()]


@pytest.mark.parametrize("protocol", get_args(Protocol))
@pytest.mark.parametrize("members", [1, 3])
def test_it_gives_the_numbers_of_an_evaluation_by_the_same_protocol(
    store: LocalStore, load: Load, protocol: Protocol, members: int
) -> None:
    written = [write_checkpoint(store, f"job-{seed}", seed=seed) for seed in range(members)]
    images = [png(seed) for seed in range(9)]  # more than are shown at once
    classifier = load(*written)
    expected = evaluated(classifier, images, protocol)
    for result, row in zip(answers(classifier, images, 10, protocol), expected, strict=True):
        given = {each.index: each.probability for each in result.predictions}
        assert given == pytest.approx(row, abs=1e-5)
    center = answers(classifier, images, 10)
    differ = answers(classifier, images, 10, protocol) != center
    assert differ == (protocol != "center")


@pytest.mark.parametrize("protocol", ["10-crop", "multi-scale"])
def test_views_are_computed_by_the_chosen_engine_once_it_has_shown_that_it_can(
    store: LocalStore, load: Load, protocol: Protocol
) -> None:
    written = write_checkpoint(store, "job-1")
    (one,) = load(written).members
    assert isinstance(one.views.engine(protocol), OpenVino)
    assert one.views.engine(protocol) is one.views.engine(protocol)
    (other,) = load(written, engine="eager").members
    assert isinstance(other.views.engine(protocol), Eager)


def test_an_engine_that_fails_at_views_is_replaced_by_the_network_itself(
    store: LocalStore, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong_at_other_sizes(given: Given) -> Engine:
        class Wrong:
            def logits(self, pixels: Tensor) -> Tensor:
                found: Tensor = given.module(pixels)
                return found if pixels.shape[-1] == 32 else found + torch.arange(10)

        return Wrong()

    kind = Kind("planted", lambda on: True, wrong_at_other_sizes)
    monkeypatch.setattr("trainer.engines.views.KINDS", (kind,))
    (one,) = load(write_checkpoint(store, "job-1")).members
    views = Views(one.version, here(CPU, 1), "planted")
    assert not isinstance(views.engine("10-crop"), Eager)
    assert isinstance(views.engine("multi-scale"), Eager)


def test_questions_by_several_protocols_are_answered_apart(store: LocalStore, load: Load) -> None:
    classifier = load(write_checkpoint(store, "job-1"))
    asked: list[Protocol] = ["center", "10-crop", "center", "multi-scale"]
    pixels = [classifier.prepare([png(i)]) for i in range(4)]
    questions = [Question(each, 10, way) for each, way in zip(pixels, asked, strict=True)]
    together = classifier.classify(questions)
    for question, found in zip(questions, together, strict=True):
        (alone,) = classifier.classify([question])
        for one, other in zip(found[0].predictions, alone[0].predictions, strict=True):
            assert one.probability == pytest.approx(other.probability, abs=1e-6)
