from tests.api.conftest import service, shared  # noqa: F401 - fixtures
