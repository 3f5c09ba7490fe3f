"""Services for the tests of keys: those of the API's tests."""

import pytest

from tests.api.conftest import Service, on_either, service, shared, url
from tests.keys.project import Project, made

__all__ = ["on_either", "service", "shared", "url"]


@pytest.fixture
def vision(service: Service) -> Project:
    """A project of the test's own service."""
    return Project(service, made(service)["key"])
