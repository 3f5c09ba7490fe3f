"""A model version that classifies images, or an ensemble of several. Plain torch, no Ray: `app` makes one in
each replica."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.contract.evaluation import EvaluatedModel, Protocol
from trainer.contract.serving import ImageResult, Prediction
from trainer.contract.transform import Transform
from trainer.engines.choose import AUTO, Choice, choose
from trainer.engines.engine import Hardware
from trainer.engines.views import Views
from trainer.evaluation.scores import averaged, log_probabilities, of_views
from trainer.evaluation.version import Version
from trainer.evaluation.views import views
from trainer.images import ImageError, ImageTooLarge, decode, prepare

AT_ONCE = 8
"""Images whose views are computed together: the largest views are eight times as large as the image."""


class BadImage(Exception):
    """An image that is not classified: which one, and whether it is too large or no image."""

    def __init__(self, index: int, cause: ImageError) -> None:
        super().__init__(str(cause))
        self.index = index
        self.too_large = isinstance(cause, ImageTooLarge)


@dataclass(frozen=True)
class Question:
    """The images of one request."""

    pixels: Mapping[Transform, Tensor]
    """As each of the members' transforms prepares them: uint8 (B, 3, S, S)."""
    top_k: int
    protocol: Protocol = "center"

    @property
    def images(self) -> int:
        return len(next(iter(self.pixels.values())))


@dataclass(frozen=True)
class Member:
    """A network that answers, alone or with others."""

    model: EvaluatedModel
    version: Version
    choice: Choice
    views: Views

    def log_probabilities(self, pixels: Tensor, protocol: Protocol) -> Tensor:
        """Prepared images uint8 (B, 3, S, S) → float64 (B, classes), averaged over the views."""
        if protocol == "center":
            return log_probabilities(self.choice.engine.logits(pixels))
        engine, mean = self.views.engine(protocol), self.version.pixel_mean
        transform = self.version.meta.transform
        parts = (part.to(mean.device) for part in torch.split(pixels, AT_ONCE))
        shown = (views(protocol, part, mean, transform) for part in parts)
        return torch.cat([of_views(engine.logits, each) for each in shown])


def member(
    model: EvaluatedModel, version: Version, hardware: Hardware, *, wanted: str = AUTO
) -> Member:
    """With the engine that is `wanted`, or the fastest. Raises Unfit if it cannot be had here."""
    choice = choose(version, hardware, wanted=wanted)
    return Member(model, version, choice, Views(version, hardware, choice.name))


@dataclass(frozen=True)
class Classifier:
    """From image files to the names of what is on them."""

    members: tuple[Member, ...]
    """That know the same classes; of several the probabilities are averaged."""

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """Those of the members, each once."""
        return tuple(dict.fromkeys(each.version.meta.transform for each in self.members))

    def prepare(self, images: Sequence[bytes]) -> dict[Transform, Tensor]:
        """Image files → uint8 (B, 3, S, S) for each transform. Raises BadImage."""
        rows = [self._prepared(i, image) for i, image in enumerate(images)]
        columns = zip(*rows, strict=True)
        return dict(zip(self.transforms, map(torch.stack, map(list, columns)), strict=True))

    def classify(self, questions: Sequence[Question]) -> list[tuple[ImageResult, ...]]:
        """Of each question's images the `top_k` most probable classes, all if there are fewer."""
        answers: dict[int, tuple[ImageResult, ...]] = {}
        for protocol in dict.fromkeys(question.protocol for question in questions):
            alike = [i for i, each in enumerate(questions) if each.protocol == protocol]
            found = self._probabilities([questions[i] for i in alike], protocol)
            for i, part in zip(alike, found, strict=True):
                answers[i] = self._results(part, questions[i].top_k)
        return [answers[i] for i in range(len(questions))]

    @torch.inference_mode()
    def _probabilities(self, questions: Sequence[Question], protocol: Protocol) -> Sequence[Tensor]:
        """float32 (B, classes) of each question's images."""
        pixels = {
            transform: torch.cat([question.pixels[transform] for question in questions])
            for transform in self.transforms
        }
        found = averaged(
            each.log_probabilities(pixels[each.version.meta.transform], protocol)
            for each in self.members
        )
        sizes = [question.images for question in questions]
        return torch.split(found.exp().float(), sizes)

    def _results(self, probabilities: Tensor, top_k: int) -> tuple[ImageResult, ...]:
        best = probabilities.topk(min(top_k, probabilities.shape[1]), dim=1)
        rows = zip(best.values.tolist(), best.indices.tolist(), strict=True)
        return tuple(ImageResult(predictions=self._named(*row)) for row in rows)

    def _named(self, probabilities: list[float], indices: list[int]) -> tuple[Prediction, ...]:
        names = self.members[0].version.meta.class_names
        return tuple(
            Prediction(label=names[index], index=index, probability=probability)
            for probability, index in zip(probabilities, indices, strict=True)
        )

    def _prepared(self, index: int, image: bytes) -> list[Tensor]:
        try:
            picture = decode(image)
            return [prepare(picture, transform) for transform in self.transforms]
        except ImageError as error:
            raise BadImage(index, error) from error
