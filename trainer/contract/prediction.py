"""A batch prediction: what a client may ask (`PredictSpec`), what will be done (`ResolvedPrediction`), and
what came out (`Predictions`). `parts` says how it lies in the object store."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from trainer.contract.asked import Asked, Batched
from trainer.contract.evaluation import EvaluatedModel
from trainer.contract.names import Name

PREDICTION_BATCH = 64
"""Images of a forward pass."""
MAX_TOP_K = 100
MAX_FILE_BYTES = 64 << 20
"""The largest image file that is read; a picture within the limit of 25 megapixels is smaller."""

SOURCE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
"""Folders below a project's own area: no part of it begins with a dot, so none leads out of it."""
MAX_SOURCE = 200
SourceName = Annotated[str, StringConstraints(pattern=SOURCE_PATTERN, max_length=MAX_SOURCE)]


class PredictSpec(Asked, frozen=True, extra="forbid"):
    """The body of `POST /jobs` for the classification of many images by a registered model."""

    kind: Literal["predict"]
    """What the job does."""
    model: Name
    """A registered model."""
    version: int | None = Field(default=None, ge=1, le=2**31 - 1)
    """Of `model`. Default: the newest."""
    dataset: Name | None = None
    """A name of `GET /datasets`, whose images are classified; or give `source`."""
    split: Literal["train", "val"] | None = None
    """Which images of `dataset`. Default: val."""
    source: str | None = Field(
        default=None, min_length=1, max_length=1024, examples=["holiday/2026"]
    )
    """A folder of the object store, below `inputs/<project>/`: every object in it is an image to be
    classified. Also as `s3://bucket/prefix/inputs/<project>/…` of the service's own store."""
    top_k: int = Field(default=5, ge=1, le=MAX_TOP_K)
    """Classes of each image in the output, the most probable first."""
    batch_size: int | None = Field(default=None, ge=1, le=65_536)
    """Images of one forward pass of a worker; no result depends on the number of workers. Default: 64."""
    rows_per_file: int = Field(default=512, ge=1, le=10_000)
    """Images of one Parquet file of the output: what is classified again when a worker dies in the middle
    of it."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the forward pass. bf16 where the hardware multiplies it; an image whose two most probable classes
    are near each other is then computed again in fp32."""

    @model_validator(mode="after")
    def _some_images(self) -> "PredictSpec":
        if (self.dataset is None) == (self.source is None):
            raise ValueError("give either 'dataset' or 'source'")
        if self.split is not None and self.dataset is None:
            raise ValueError("'split' belongs to 'dataset'")
        return self


class ResolvedPrediction(Batched, frozen=True, extra="forbid"):
    """A `PredictSpec` with nothing left to decide."""

    kind: Literal["predict"]
    model: EvaluatedModel
    dataset: Name | None
    split: Literal["train", "val"] | None
    """Of `dataset`."""
    source: SourceName | None
    """Below the project's own area; or `dataset`."""
    prefix: str | None
    """Of `source`, in the object store."""
    top_k: int
    rows_per_file: int
    precision: Literal["fp32", "bf16"]

    @property
    def images_of(self) -> str:
        """Which images, in words."""
        return f"{self.dataset}/{self.split}" if self.dataset else str(self.source)


class Predictions(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What a prediction came to. Every image is one row, whichever worker it was given to."""

    model: str
    """`name:version`."""
    images: int
    """Rows."""
    errors: int
    """Rows of what could not be classified; each says why."""
    files: int
    """Parquet files; `GET /jobs/{id}/predictions` lists them."""
