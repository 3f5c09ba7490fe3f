"""What the predict route takes; its answer is `trainer.contract.serving.Classified`."""

from typing import Annotated

from fastapi import Header
from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.models.schemas import Number
from trainer.contract.names import Name
from trainer.contract.serving import MAX_IMAGES, MAX_TOP_K

BASE64 = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg=="
)
"""A PNG of one white pixel, for examples."""

SameKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Any text of your own: all requests with the same one are answered by the same "
        "version, as long as the canary and its share stay what they are.",
    ),
]


class Question(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Who is to answer, and how fully."""

    model: Name | None = None
    """May be left out while exactly one is deployed."""
    version: Number | None = None
    """Refuse the answer of another version."""
    alias: Name | None = None
    """Refuse the answer of another version than this alias means."""
    top_k: int = Field(default=5, ge=1, le=MAX_TOP_K)
    """Classes in the answer, the most probable first; all of them if there are fewer."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "Question":
        if self.version is not None and self.alias is not None:
            raise ValueError("give either 'version' or 'alias', not both")
        return self


class ImagesIn(BaseModel):
    """Images in JSON, for clients that can send nothing else: a third larger than as they are."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"images": [BASE64]}]},
    )

    images: list[str] = Field(min_length=1, max_length=MAX_IMAGES)
    """Whole JPEG, PNG or WebP files, each in base64."""
