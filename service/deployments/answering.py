"""Who answers a prediction: pure functions of a project's deployments. `Deployments` and `Predictor` ask."""

from collections.abc import Sequence
from typing import NamedTuple

from service.deployments import plan
from service.deployments.deployment import Deployment
from service.errors import Invalid, ModelUnavailable, NotFound
from trainer.contract.evaluation import Protocol

NOT_THE_CANARY = 1.0
"""Dice that lead to the version that serves, whatever the canary's share."""


class Who(NamedTuple):
    """A version that answers."""

    model: str
    version: int
    protocol: Protocol
    """Unless the request asks for another one."""
    replicas: int
    """That its deployment may have, those of a canary among them."""
    steady: int
    """Of the version itself, if their number does not follow the load; else 0."""


def named(deployments: Sequence[Deployment], name: str | None) -> Deployment:
    """The deployment of that name, or the only one. Raises NotFound, or Invalid if `name` is left out and
    not exactly one is deployed."""
    if name is not None:
        for found in deployments:
            if found.name == name:
                return found
        raise not_deployed(name)
    if not deployments:
        raise NotFound(
            "No model is deployed; PUT /models/NAME/deployment deploys one of GET /models."
        )
    if len(deployments) > 1:
        names = ", ".join(found.name for found in deployments)
        raise Invalid(
            f"Several models are deployed; say which with ?model=, one of: {names}.", field="model"
        )
    return deployments[0]


def who(found: Deployment, version: int | None, dice: float = NOT_THE_CANARY) -> Who:
    """Whoever answers now; `dice`, from 0 to below 1, decide whether that is the canary, unless a version is
    asked for. Raises NotFound, or ModelUnavailable while it starts."""
    protocol, canary = found.desired.protocol, found.canary
    replicas = found.desired.replicas.max + (canary.replicas.max if canary else 0)
    if version is None:
        chosen = found.chosen(dice)
        if chosen is None:
            raise ModelUnavailable(_not_yet(found, found.target, found.message))
        return Who(found.name, chosen, protocol, replicas, _steady(found, chosen))
    if version in found.answering:
        return Who(found.name, version, protocol, replicas, _steady(found, version))
    if canary and version == canary.version:
        seen = found.canary_seen
        raise ModelUnavailable(_not_yet(found, version, seen.message if seen else None))
    if version == found.target:
        raise ModelUnavailable(_not_yet(found, version, found.message))
    raise NotFound(
        f"Version {version} of '{found.name}' is not deployed, version {found.target} is; "
        f"PUT /models/{found.name}/deployment with that version deploys it."
    )


def not_deployed(name: str) -> NotFound:
    return NotFound(f"Model '{name}' is not deployed; PUT /models/{name}/deployment deploys it.")


def _steady(found: Deployment, version: int) -> int:
    of = plan.replicas_of(found, version)
    return of.max if of.min == of.max else 0


def _not_yet(found: Deployment, version: int | None, why: str | None) -> str:
    where = f"GET /models/{found.name}/deployment shows how far it is."
    if why:
        return f"Version {version} of '{found.name}' does not serve. {why} {where}"
    return f"Version {version} of '{found.name}' is starting; {where}"
