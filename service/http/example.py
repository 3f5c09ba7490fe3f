"""Examples in the API's document, made by the code they are examples of: they cannot grow stale."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel


def example(*makes: Callable[[], BaseModel]) -> Callable[[dict[str, Any]], None]:
    """A model's `json_schema_extra` that shows what `makes` make, when the document is asked for."""

    def show(schema: dict[str, Any]) -> None:
        schema["examples"] = [make().model_dump(mode="json") for make in makes]

    return show
