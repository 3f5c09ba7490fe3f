"""A model version that classifies images. Plain torch, no Ray: `app` makes one in each replica."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.contract.serving import ImageResult, Prediction
from trainer.evaluation.version import Version
from trainer.images import ImageError, ImageTooLarge, decode, prepare


class Refused(Exception):
    """An image that is not classified: which one, and the HTTP status that says so."""

    def __init__(self, index: int, cause: ImageError) -> None:
        super().__init__(str(cause))
        self.index = index
        self.status = 413 if isinstance(cause, ImageTooLarge) else 415


@dataclass(frozen=True)
class Classifier:
    """From image files to the names of what is on them."""

    version: Version

    def prepare(self, images: Sequence[bytes]) -> Tensor:
        """Image files → uint8 (B, 3, S, S). Raises Refused."""
        return torch.stack([self._prepared(i, image) for i, image in enumerate(images)])

    def classify(self, pixels: Tensor, *, top_k: int) -> tuple[ImageResult, ...]:
        """uint8 (B, 3, S, S) → the `top_k` most probable classes of each, all if there are fewer."""
        probabilities = self.version.logits(pixels).softmax(dim=1)  # (B, classes)
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
