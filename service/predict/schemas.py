"""What the predict route takes; its answer is `trainer.contract.serving.Classified`."""

from typing import Annotated

from fastapi import Header
from pydantic import Field, model_validator

from trainer.contract import serving
from trainer.contract.names import Name
from trainer.contract.serving import MAX_TOP_K

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


class Question(serving.Question, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Who is to answer, and how."""

    alias: Name | None = None
    """Refuse the answer of another version than this alias means."""
    top_k: int = Field(default=5, ge=1, le=MAX_TOP_K)
    """Classes in the answer, the most probable first; all of them if there are fewer."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "Question":
        if self.version is not None and self.alias is not None:
            raise ValueError("give either 'version' or 'alias', not both")
        return self
