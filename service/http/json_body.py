"""JSON bodies of routes that take other bodies as well, and so read them themselves. Used by the Open
Inference Protocol."""

from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from service.errors import Invalid, Malformed
from trainer.contract import serving

Body = TypeVar("Body", bound=BaseModel)


def read(data: bytes, model: type[Body]) -> Body:
    """Raises Malformed, or RequestValidationError, which `problems` puts into sentences."""
    try:
        said = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise Malformed(f"The body is not JSON: {error}.") from error
    try:
        return model.model_validate(said)
    except ValidationError as error:
        values = [one | {"loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(values) from error


def unbase64(text: str, *, field: str) -> bytes:
    """The bytes that a text of the body stands for. Raises Invalid, which names the `field`."""
    try:
        return serving.unbase64(text, field=field)
    except ValueError as error:
        raise Invalid(str(error), field=field) from error
