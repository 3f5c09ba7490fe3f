"""From deployments to the Ray Serve applications that should run, and back: pure functions."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from service.deployments.deployment import Actual, Deployment
from service.deployments.serve import Application, SeenApplication
from trainer.contract import layout
from trainer.contract.serving import APPLICATION, DEPLOYMENT, Engine, ReplicaArgs

ONGOING_TARGET = 8
"""Requests in work at a replica, above which another one is started: a full batch on a CPU."""

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


def application_name(project: str, name: str, version: int) -> str:
    return f"{project}.{name}.{version}"


def route(project: str, name: str, version: int) -> str:
    """Path of a version's replicas behind Ray Serve's HTTP proxy."""
    return f"/{project}/{name}/{version}"


def wanted(
    deployments: Sequence[Deployment], *, resting: AbstractSet[str], options: ReplicaOptions
) -> list[Application]:
    """The applications that should run: of each deployment the desired version and, until that
    one serves, the one that does. Those that are `resting` after a failure are left out."""
    applications = [
        _application(deployment, version, options)
        for deployment in deployments
        for version in dict.fromkeys((deployment.serving_version, deployment.target))
        if version is not None
    ]
    return [application for application in applications if application["name"] not in resting]


def observe(
    deployment: Deployment, seen: SeenApplication | None, *, answers: bool, resting: bool
) -> Deployment:
    """The deployment after a look at the application of its target version.

    `answers` says that a request reaches that version; only then it serves."""
    if resting:
        return deployment  # its failure was noted when it began
    status = seen.status if seen else "NOT_STARTED"
    replicas = seen.replicas if seen else 0
    match status:
        case "RUNNING" if answers or deployment.serving_version == deployment.target:
            return replace(
                deployment,
                serving_version=deployment.target,
                actual=Actual(health="running", replicas=replicas),
                message=None,
            )
        case "DEPLOY_FAILED":
            return replace(
                deployment,
                actual=Actual(health="failed", replicas=0),
                message=_failure(deployment, seen.message if seen else ""),
            )
        case "UNHEALTHY":
            return replace(
                deployment,
                actual=Actual(health="unhealthy", replicas=replicas),
                message=f"Version {deployment.target} is unhealthy; its replicas are being restarted.",
            )
        case _:
            return replace(deployment, actual=Actual(health="pending", replicas=replicas))


def _application(deployment: Deployment, version: int, options: ReplicaOptions) -> Application:
    args = ReplicaArgs(
        store=options.store,
        prefix=layout.model_version(deployment.project, deployment.name, version),
        name=deployment.name,
        version=version,
        # One that reserves nothing shares the whole machine.
        threads=max(1, int(options.cpus)) if options.cpus else 0,
        engine=options.engine,
    )
    replicas = deployment.desired.replicas
    # Also where both are equal: a fixed number would be another kind of application to Serve, and
    # the change from one to the other would restart the replicas.
    scale = {
        "min_replicas": replicas.min,
        "max_replicas": replicas.max,
        "target_ongoing_requests": ONGOING_TARGET,
    }
    actor = {"num_cpus": options.cpus, "num_gpus": options.gpus}
    return {
        "name": application_name(deployment.project, deployment.name, version),
        "route_prefix": route(deployment.project, deployment.name, version),
        "import_path": APPLICATION,
        "args": args.model_dump(mode="json"),
        "deployments": [
            {"name": DEPLOYMENT, "autoscaling_config": scale, "ray_actor_options": actor}
        ],
    }


def _failure(deployment: Deployment, message: str) -> str:
    """The replica's own last words, without its stack trace."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    why = EXCEPTION.sub("", lines[-1]) if lines else "Ray Serve does not say why"
    older = deployment.serving_version not in (None, deployment.target)
    rest = f" Version {deployment.serving_version} goes on serving." if older else ""
    return f"Version {deployment.target} did not start: {why.rstrip('.')}.{rest}"
