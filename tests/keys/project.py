"""A project as the owner of its key sees it. Used by the tests of keys and quotas."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.api.conftest import Service


@dataclass
class Project:
    service: Service
    key: str

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        answer: httpx.Response = self.service.client.request(
            method, path, json=body, headers=headers
        )
        return answer


def made(service: Service, project: str = "vision", **fields: Any) -> dict[str, Any]:
    """A new key, as the administrator sees it."""
    answer = service.client.post("/keys", json={"project": project} | fields)
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key
