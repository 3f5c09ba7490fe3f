"""A model version that classifies images. Plain torch, no Ray: `app` makes one in each replica."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.contract.serving import ImageResult, Prediction
from trainer.engines.choose import Choice
from trainer.evaluation.version import Version
from trainer.images import ImageError, ImageTooLarge, decode, prepare


class Refused(Exception):
    """An image that is not classified: which one, and the HTTP status that says so."""

    def __init__(self, index: int, cause: ImageError) -> None:
        super().__init__(str(cause))
        self.index = index
        self.status = 413 if isinstance(cause, ImageTooLarge) else 415


@dataclass(frozen=True)
class Question:
    """The images of one request."""

    pixels: Tensor
    """Prepared: uint8 (B, 3, S, S)."""
    top_k: int


@dataclass(frozen=True)
class Classifier:
    """From image files to the names of what is on them."""

    version: Version
    choice: Choice

    def prepare(self, images: Sequence[bytes]) -> Tensor:
        """Image files → uint8 (B, 3, S, S). Raises Refused."""
        return torch.stack([self._prepared(i, image) for i, image in enumerate(images)])

    def classify(self, questions: Sequence[Question]) -> list[tuple[ImageResult, ...]]:
        """Of each question's images the `top_k` most probable classes, all if there are fewer."""
        pixels = torch.cat([question.pixels for question in questions])
        probabilities = self.choice.engine.logits(pixels).softmax(dim=1)  # (all images, classes)
        parts = torch.split(probabilities, [len(question.pixels) for question in questions])
        return [
            self._results(part, question.top_k)
            for part, question in zip(parts, questions, strict=True)
        ]

    def _results(self, probabilities: Tensor, top_k: int) -> tuple[ImageResult, ...]:
        best = probabilities.topk(min(top_k, probabilities.shape[1]), dim=1)
        rows = zip(best.values.tolist(), best.indices.tolist(), strict=True)
        return tuple(ImageResult(predictions=self._named(*row)) for row in rows)

    def _named(self, probabilities: list[float], indices: list[int]) -> tuple[Prediction, ...]:
        names = self.version.meta.class_names
        return tuple(
            Prediction(label=names[index], index=index, probability=probability)
            for probability, index in zip(probabilities, indices, strict=True)
        )

    def _prepared(self, index: int, image: bytes) -> Tensor:
        try:
            return prepare(decode(image), self.version.meta.transform)
        except ImageError as error:
            raise Refused(index, error) from error
