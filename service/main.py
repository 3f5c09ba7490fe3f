"""The HTTP application: routes, middleware and the reconciler's thread around one set of `Parts`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from threading import Event, Thread

from anyio import to_thread
from fastapi import Depends, FastAPI

from service import problems
from service.auth import RequireKey
from service.catalogue import routes as catalogue
from service.clock import utc_now
from service.deployments import routes as deployments
from service.deps import only_known, project
from service.http import openapi
from service.http.access_log import AccessLog
from service.http.body_limit import BodyLimit
from service.http.measured import Measured
from service.http.plain_errors import PlainErrors
from service.http.traced import Traced
from service.inference import routes as inference
from service.inference.schemas import InferIn
from service.jobs import predictions, reading, tensorboard
from service.jobs import routes as jobs
from service.keys import routes as keys
from service.metrics import routes as metrics
from service.models import routes as models
from service.parts import Parts
from service.predict import routes as predict
from service.sweeps import routes as sweeps
from service.system import routes as system
from service.webhooks import receiving
from service.webhooks import routes as webhooks
from trainer.contract.serving import ImagesIn

DESCRIPTION = """\
Distributed training on Ray for the networks of *Deep Residual Learning for Image Recognition*.

Every call but the open ones needs `Authorization: Bearer KEY`. Every failure is an
`application/problem+json` whose `detail` says how to mend it, and whose `code` is stable.
"""

TAGS = [
    {
        "name": "jobs",
        "description": "Train a network: submit, watch, cancel, and fetch what it made.",
    },
    {
        "name": "sweeps",
        "description": "Trials of a sweep, and its report: jobs of the kind `sweep`.",
    },
    {"name": "catalogue", "description": "What can be trained, and on what."},
    {"name": "models", "description": "Immutable versions of models, and aliases that name them."},
    {"name": "deployments", "description": "Which version of a model serves."},
    {"name": "predict", "description": "Classify images by a deployed model."},
    {
        "name": "inference",
        "description": "The same by the Open Inference Protocol, with the extensions for binary tensors "
        'and classification; its failures are `{"error": …}`.',
    },
    {"name": "webhooks", "description": receiving.DESCRIPTION},
    {
        "name": "keys",
        "description": "Keys and quotas of projects; for the administrator's key only.",
    },
    {"name": "system", "description": "The service itself and its cluster."},
]

ROUTERS = (
    jobs.router,
    reading.router,
    tensorboard.router,
    predictions.router,
    sweeps.router,
    catalogue.router,
    models.router,
    deployments.router,
    predict.router,
    inference.router,
    webhooks.router,
    keys.router,
    system.router,
    metrics.router,
)


def create_app(parts: Parts) -> FastAPI:
    """The application. Its lifespan runs the reconciler and closes the parts at the end."""
    app = FastAPI(
        title="Residual",
        version=version("residual"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=_lifespan,
        redoc_url=None,
    )
    app.state.parts = parts
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(project), Depends(only_known)])
    app.include_router(system.open_router)
    problems.install(app)
    openapi.install(app, bodies=[ImagesIn, InferIn])
    # The last one added is the outermost.
    limits = parts.settings
    larger = dict.fromkeys(("/predict", "/v2/models/"), limits.max_image_bytes)
    app.add_middleware(BodyLimit, limit=limits.max_body_bytes, larger=larger)
    app.add_middleware(RequireKey, authenticate=parts.authenticate, scraper=parts.scraper)
    app.add_middleware(AccessLog)
    app.add_middleware(Measured, instruments=parts.instruments)
    if parts.tracer:
        app.add_middleware(Traced, over=parts.tracer.over, clock=utc_now)
    app.add_middleware(PlainErrors)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    app.openapi()  # 0.2 s that no request shall wait for
    stop = Event()
    thread = Thread(target=parts.reconciler.run, args=(stop,), name="reconciler")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        await to_thread.run_sync(thread.join)
        await parts.close()
