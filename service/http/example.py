"""Examples in the API's document, made by the code they are examples of: they cannot grow stale."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel


def example(make: Callable[[], BaseModel]) -> Callable[[dict[str, Any]], None]:
    """A model's `json_schema_extra` that shows what `make` makes, when the document is asked for."""

    def show(schema: dict[str, Any]) -> None:
        schema["examples"] = [make().model_dump(mode="json")]

    return show
