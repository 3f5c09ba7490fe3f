"""What the predict route takes beside images; its answer is `trainer.contract.serving.Classified`."""

from pydantic import BaseModel, Field, model_validator

from service.models.schemas import Number
from trainer.contract.names import Name
from trainer.contract.serving import MAX_TOP_K


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
