"""What clients may rely on: the routes, and the tree of failures, in code, picture and document."""

import re

from service import errors
from service.errors import ServiceError
from service.http.openapi import operations
from service.problems import kinds
from tests.api.conftest import Service
from trainer.contract.problems import MEDIA_TYPE

ROUTES = """
POST /jobs
GET /jobs
GET /jobs/{job_id}
PATCH /jobs/{job_id}
DELETE /jobs/{job_id}
POST /jobs/{job_id}/cancel
POST /jobs/{job_id}/pause
POST /jobs/{job_id}/resume
GET /jobs/{job_id}/metrics
GET /jobs/{job_id}/metrics/stream
GET /jobs/{job_id}/logs
GET /jobs/{job_id}/analysis
GET /jobs/{job_id}/events
GET /jobs/{job_id}/checkpoints
GET /jobs/{job_id}/checkpoints/{step}/files/{name}
GET /archs
GET /archs/{name}
GET /datasets
GET /datasets/{name}
POST /models
GET /models
GET /models/{name}
PUT /models/{name}/aliases/{alias}
DELETE /models/{name}/aliases/{alias}
PUT /models/{name}/deployment
GET /models/{name}/deployment
DELETE /models/{name}/deployment
POST /models/{name}/deployment/rollback
POST /predict
GET /v2
GET /v2/health/live
GET /v2/health/ready
GET /v2/models/{name}
GET /v2/models/{name}/ready
POST /v2/models/{name}/infer
GET /v2/models/{name}/versions/{version}
GET /v2/models/{name}/versions/{version}/ready
POST /v2/models/{name}/versions/{version}/infer
GET /healthz
GET /readyz
GET /cluster
POST /webhooks
GET /webhooks
DELETE /webhooks/{webhook_id}
POST /webhooks/{webhook_id}/test
POST /keys
GET /keys
DELETE /keys/{key_id}
"""


def _and_below(kind: type[ServiceError]) -> list[type[ServiceError]]:
    return [kind, *(deeper for sub in kind.__subclasses__() for deeper in _and_below(sub))]


def test_every_route_of_the_contract_is_there(shared: Service) -> None:
    there = {f"{method.upper()} {path}" for path, method, _ in operations(shared.app.openapi())}
    assert set(ROUTES.split("\n")[1:-1]) <= there


def test_the_tree_of_failures_is_drawn_as_it_is_written() -> None:
    drawn = set(re.findall(r"(\w+) +(\d{3})  (\w+)", errors.__doc__ or ""))
    written = _and_below(ServiceError)
    assert drawn == {(kind.__name__, str(kind.status), kind.code) for kind in written}
    assert [kind.error for kind in kinds().values()] == written  # also in the same order


def test_every_failure_is_in_the_document(shared: Service) -> None:
    responses = shared.app.openapi()["components"]["responses"]
    assert responses.keys() == {kind.__name__ for kind in _and_below(ServiceError)}
    shown = {
        example["value"]["code"]
        for response in responses.values()
        for example in response["content"][MEDIA_TYPE]["examples"].values()
    }
    assert shown == kinds().keys()
