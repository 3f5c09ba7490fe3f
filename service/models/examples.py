"""A model with one version, as an example for the API's document."""

from service.jobs import examples
from service.models.service import Model
from service.models.store import ModelVersion


def version() -> ModelVersion:
    source = examples.checkpoint()
    return ModelVersion("default", "fashion", 1, source.prefix, source.meta, examples.AT)


def model() -> Model:
    return Model("fashion", [version()], {"champion": 1})
