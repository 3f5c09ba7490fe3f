"""`GET /metrics`, for Prometheus."""

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.deps import InstrumentsDep

router = APIRouter(tags=["system"])

SHOWN: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Prometheus' text format",
        "content": {
            "text/plain": {
                "schema": {"type": "string"},
                "example": '# TYPE residual_jobs gauge\nresidual_jobs{kind="train",state="queued"} 3.0\n',
            }
        },
    }
}


@router.get("/metrics", summary="Measure the service", response_class=Response, responses=SHOWN)
def get_metrics(instruments: InstrumentsDep) -> Response:
    """How the service, its queue, its running jobs and its parts are, over all projects. For the
    administrator's key, or the key for this route alone (`RESIDUAL_METRICS_KEY`)."""
    shown = generate_latest(instruments.registry)
    return Response(shown, media_type=CONTENT_TYPE_LATEST)
