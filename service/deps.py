"""What routes ask for, as nouns. Everything comes from the `Parts` that the app was made with."""

import re
from difflib import get_close_matches
from typing import Annotated

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.auth import Caller
from service.catalogue.service import Catalogue
from service.deployments.service import Deployments
from service.errors import Invalid, NotFound, Unauthorized
from service.inference.service import Inference
from service.jobs.service import Jobs
from service.keys.service import Keys
from service.metrics.instruments import Instruments
from service.models.service import Models
from service.parts import Parts
from service.predict.service import Predictor
from service.settings import Settings
from service.sweeps.service import Sweeps
from service.system.service import System
from service.webhooks.service import Webhooks
from trainer.contract.names import NAME_PATTERN

Bearer = Annotated[
    HTTPAuthorizationCredentials | None, Security(HTTPBearer(scheme_name="key", auto_error=False))
]


# All are coroutines: FastAPI would send a plain function to a thread, for an attribute.


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


async def project(request: Request, _: Bearer) -> str:
    """The middleware `RequireKey` knows the caller; the bearer is named for the API's document."""
    caller: Caller = request.state.caller
    return caller.project


async def administrator(request: Request) -> None:
    """Refuse everybody else. Raises Unauthorized."""
    caller: Caller = request.state.caller
    if not caller.administrator:
        raise Unauthorized(
            "This needs the administrator's key, and yours is a project's; `residual key` prints it "
            "on the machine that runs the service."
        )


async def only_known(request: Request) -> None:
    """Refuse query parameters that the route does not have: a misspelt one is never ignored."""
    if not request.query_params:
        return  # the document, which knows them, takes most of a second to build
    route, method = request.scope["route"].path, request.method.lower()
    parameters = request.app.openapi()["paths"][route][method].get("parameters", ())
    known = [one["name"] for one in parameters if one["in"] == "query"]
    for name in request.query_params.keys() - set(known):
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"it takes {', '.join(known) or 'none'}."
        raise Invalid(f"There is no query parameter '{name}' here; {hint}", field=name)


PartsDep = Annotated[Parts, Depends(_parts)]
ProjectDep = Annotated[str, Depends(project)]
"""The caller's project."""


async def _settings(parts: PartsDep) -> Settings:
    return parts.settings


async def _jobs(parts: PartsDep) -> Jobs:
    return parts.jobs


async def _sweeps(parts: PartsDep) -> Sweeps:
    return parts.sweeps


async def _models(parts: PartsDep) -> Models:
    return parts.models


async def _deployments(parts: PartsDep) -> Deployments:
    return parts.deployments


async def _predictor(parts: PartsDep) -> Predictor:
    return parts.predictor


async def _inference(parts: PartsDep) -> Inference:
    return parts.inference


async def _catalogue(parts: PartsDep) -> Catalogue:
    return parts.catalogue


async def _system(parts: PartsDep) -> System:
    return parts.system


async def _instruments(parts: PartsDep) -> Instruments:
    return parts.instruments


async def _webhooks(parts: PartsDep) -> Webhooks:
    return parts.webhooks


async def _keys(parts: PartsDep) -> Keys:
    return parts.keys


SettingsDep = Annotated[Settings, Depends(_settings)]
JobsDep = Annotated[Jobs, Depends(_jobs)]
SweepsDep = Annotated[Sweeps, Depends(_sweeps)]
ModelsDep = Annotated[Models, Depends(_models)]
DeploymentsDep = Annotated[Deployments, Depends(_deployments)]
PredictorDep = Annotated[Predictor, Depends(_predictor)]
InferenceDep = Annotated[Inference, Depends(_inference)]
CatalogueDep = Annotated[Catalogue, Depends(_catalogue)]
SystemDep = Annotated[System, Depends(_system)]
InstrumentsDep = Annotated[Instruments, Depends(_instruments)]
WebhooksDep = Annotated[Webhooks, Depends(_webhooks)]
KeysDep = Annotated[Keys, Depends(_keys)]


async def _job_id(
    job_id: Annotated[str, Path(description="Of a job.", examples=["job-1k0y64et6dng0az10y5"])],
) -> str:
    if not re.fullmatch(NAME_PATTERN, job_id):
        raise NotFound("There is no such job; GET /jobs lists yours.")
    return job_id


async def _model_name(
    name: Annotated[str, Path(description="Of a model.", examples=["fashion"])],
) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise NotFound("There is no such model; GET /models lists yours.")
    return name


async def _webhook_id(
    webhook_id: Annotated[
        str, Path(description="Of a webhook.", examples=["webhook-1k0y64et6dng0az10y5"])
    ],
) -> str:
    if not re.fullmatch(NAME_PATTERN, webhook_id):
        raise NotFound("There is no such webhook; GET /webhooks lists yours.")
    return webhook_id


async def _key_id(
    key_id: Annotated[
        str, Path(description="Of a key, not the key.", examples=["key-1k0y64et6dng0az10y5"])
    ],
) -> str:
    if not re.fullmatch(NAME_PATTERN, key_id):
        raise NotFound("There is no such key; GET /keys lists them by their ids.")
    return key_id


JobId = Annotated[str, Depends(_job_id)]
"""A well-formed id from the path `{job_id}`; anything else is not there."""
ModelName = Annotated[str, Depends(_model_name)]
"""A well-formed name from the path `{name}`; anything else is not there."""
WebhookId = Annotated[str, Depends(_webhook_id)]
"""A well-formed id from the path `{webhook_id}`; anything else is not there."""
KeyId = Annotated[str, Depends(_key_id)]
"""A well-formed id from the path `{key_id}`; anything else is not there."""
