"""From deployments to the Ray Serve applications that should run, and back: pure functions."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from service.deployments.deployment import Actual, CanarySeen, Deployment, Health, Replicas
from service.deployments.serve import Application, SeenApplication
from trainer.contract import layout
from trainer.contract.evaluation import EvaluatedModel
from trainer.contract.serving import APPLICATION, DEPLOYMENT, Engine, Member, ReplicaArgs

ONGOING_TARGET = 8
"""Requests in work at a replica, above which another one is started: a full batch on a CPU."""

A_BYTE = 1
"""Of Ray's `memory`, that a replica reserves. Ray spreads only actors that reserve something over its nodes;
others are placed at random, and all of them may be lost with one node."""

EXCEPTION = re.compile(r"^(?:[a-z_]\w*\.)*[A-Z]\w*: ")
"""The name of an exception at the start of a stack trace's last line."""


@dataclass(frozen=True)
class ReplicaOptions:
    """What every replica gets."""

    store: str
    """URL of the object store."""
    cpus: float
    """CPUs it reserves; 0 shares those of training."""
    gpus: float
    engine: Engine = "auto"
    max_bytes: int = 20 << 20
    """Of a request's body, as the service itself takes it."""


@dataclass(frozen=True)
class Look:
    """What was seen of one version's application."""

    name: str
    application: SeenApplication | None
    answers: bool
    """A request reaches it; only then it serves."""
    resting: bool
    """It failed, and is left alone for a while."""

    @property
    def status(self) -> str:
        return self.application.status if self.application else "NOT_STARTED"

    @property
    def replicas(self) -> int:
        """Running ones."""
        return self.application.replicas if self.application else 0


def application_name(project: str, name: str, version: int) -> str:
    return f"{project}.{name}.{version}"


def route(project: str, name: str, version: int) -> str:
    """Path of a version's replicas behind Ray Serve's HTTP proxy."""
    return f"/{project}/{name}/{version}"


def predict_route(project: str, name: str, version: int) -> str:
    """Path at which they take what `POST /predict` takes."""
    return f"{route(project, name, version)}/predict"


def wanted(
    deployments: Sequence[Deployment], *, resting: AbstractSet[str], options: ReplicaOptions
) -> list[Application]:
    """The applications that should run: of each deployment the desired version and, until that
    one serves, the one that does; and the canary. Those that are `resting` after a failure are left
    out."""
    applications = [
        _application(deployment, version, options)
        for deployment in deployments
        for version in _versions(deployment)
    ]
    return [application for application in applications if application["name"] not in resting]


def replicas_of(deployment: Deployment, version: int) -> Replicas:
    """How many of them one of the deployment's versions has."""
    canary = deployment.canary
    serves = version in (deployment.serving_version, deployment.target)
    return canary.replicas if canary and not serves else deployment.desired.replicas


def observe(deployment: Deployment, look: Look) -> Deployment:
    """The deployment after a look at the application of its target version."""
    if look.resting:
        return deployment  # its failure was noted when it began
    match look.status:
        case "RUNNING" if look.answers:
            return replace(
                deployment,
                serving_version=deployment.target,
                previous_version=_previous(deployment),
                actual=Actual(health="running", replicas=look.replicas),
                message=None,
            )
        case "DEPLOY_FAILED":
            return replace(
                deployment,
                actual=Actual(health="failed", replicas=0),
                message=_failure(deployment, deployment.target, look),
            )
        case "UNHEALTHY":
            return replace(
                deployment,
                actual=Actual(health="unhealthy", replicas=look.replicas),
                message=f"Version {deployment.target} is unhealthy; its replicas are being restarted.",
            )
        case _:
            return replace(deployment, actual=Actual(health="pending", replicas=look.replicas))


def observe_canary(deployment: Deployment, look: Look) -> Deployment:
    """The same for its canary, which gets requests only while it is seen to run."""
    if deployment.canary is None or look.resting:
        return deployment
    version, message = deployment.canary.version, None
    health: Health = "pending"
    match look.status:
        case "RUNNING" if look.answers:
            health = "running"
        case "DEPLOY_FAILED":
            health, message = "failed", _failure(deployment, version, look)
        case "UNHEALTHY":
            health = "unhealthy"
            message = f"Version {version} is unhealthy, and gets no requests until it is well."
    seen = CanarySeen(version=version, health=health, replicas=look.replicas, message=message)
    return replace(deployment, canary_seen=seen)


def _versions(deployment: Deployment) -> list[int]:
    canary = deployment.canary.version if deployment.canary else None
    every = dict.fromkeys((deployment.serving_version, deployment.target, canary))
    return [version for version in every if version is not None]


def _previous(deployment: Deployment) -> int | None:
    """What served before, at the moment when the target begins to. Nothing leads back to a version that
    was rolled back."""
    now = deployment.serving_version
    if now in (None, deployment.target):
        return deployment.previous_version
    return None if now == deployment.desired.back_from else now


def _application(deployment: Deployment, version: int, options: ReplicaOptions) -> Application:
    args = ReplicaArgs(
        store=options.store,
        name=deployment.name,
        version=version,
        members=_members(deployment, version),
        ensemble=bool(deployment.ensembles),
        # One that reserves nothing shares the whole machine.
        threads=max(1, int(options.cpus)) if options.cpus else 0,
        engine=options.engine,
        max_bytes=options.max_bytes,
    )
    replicas = replicas_of(deployment, version)
    # Also where both are equal: a fixed number would be another kind of application to Serve, and
    # the change from one to the other would restart the replicas.
    scale: dict[str, float] = {
        "min_replicas": replicas.min,
        "max_replicas": replicas.max,
        "target_ongoing_requests": ONGOING_TARGET,
    }
    if replicas.min == 0:
        # The first one proves the version, and goes when nobody asks.
        scale |= {"initial_replicas": 1, "downscale_to_zero_delay_s": replicas.idle_s}
    actor = {"num_cpus": options.cpus, "num_gpus": options.gpus, "memory": A_BYTE}
    return {
        "name": application_name(deployment.project, deployment.name, version),
        "route_prefix": route(deployment.project, deployment.name, version),
        "import_path": APPLICATION,
        "args": args.model_dump(mode="json"),
        "deployments": [
            {"name": DEPLOYMENT, "autoscaling_config": scale, "ray_actor_options": actor}
        ],
    }


def _members(deployment: Deployment, version: int) -> tuple[EvaluatedModel, ...]:
    """What a replica of `version` loads: one replica holds all of an ensemble."""
    itself = (Member(model=deployment.name, version=version),)
    return tuple(
        EvaluatedModel(
            name=each.model,
            version=each.version,
            prefix=layout.model_version(deployment.project, each.model, each.version),
        )
        for each in deployment.ensembles.get(version, itself)
    )


def _failure(deployment: Deployment, version: int | None, look: Look) -> str:
    """The replica's own last words, without its stack trace."""
    message = look.application.message if look.application else ""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    why = EXCEPTION.sub("", lines[-1]) if lines else "Ray Serve does not say why"
    older = deployment.serving_version not in (None, version)
    rest = f" Version {deployment.serving_version} goes on serving." if older else ""
    return f"Version {version} did not start: {why.rstrip('.')}.{rest}"
