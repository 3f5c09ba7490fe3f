"""Checks of the parts that the service stands on: database, store, Ray, Ray Serve. Used by
`service.doctor.checks`."""

import os
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from service.cluster.ray_rest import RayRest
from service.db import migrate
from service.doctor.finding import Case, Finding, broken, ok, warning
from service.errors import ClusterUnavailable
from service.local import ray_record
from service.local.ray_serve import serve_answers
from service.stores import connect_database, sqlite_file, storage_url
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import Overwrites, StoreError
from trainer.contract.objects.trust import check_create

TIMEOUT_S = 5.0
SKEW_S = 2.0
"""The lease of the reconciler lasts 6 s: programs whose clocks differ by more than that fight for it."""
SKEW_OF_STORE_S = 60.0
"""S3 refuses requests that are 15 minutes off."""
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def database(case: Case) -> Finding:
    """It answers, has tables that this program can use, and the same clock."""
    file = sqlite_file(case.settings)
    if case.settings.database_url is None and not file.exists():
        return ok(f"{file} is made at the first start")
    mend = "start it, or check RESIDUAL_DATABASE_URL"
    try:
        engine = connect_database(case.settings)
        found = migrate.revision_of(engine)
        with engine.connect() as connection:
            now = connection.execute(select(func.now())).scalar_one()
    except (SQLAlchemyError, ValueError) as error:
        return broken(f"it does not answer: {_first_line(error)}", mend)
    engine.dispose()
    if found is not None and found not in migrate.known_revisions():
        return broken(
            f"it is at revision {found}, which a later version made",
            "start that version, or restore what was backed up before the upgrade",
        )
    skew = abs((datetime.now(UTC) - now).total_seconds()) if now.tzinfo else 0.0
    if skew > SKEW_S:
        return broken(f"its clock is {skew:.0f} s off this machine's", "let NTP set both clocks")
    head = migrate.head()
    state = (
        f"at revision {found}" if found == head else f"is brought to revision {head} at the start"
    )
    return ok(f"{engine.dialect.name} answers, {state}")


def store(case: Case) -> Finding:
    """It answers, can be written, and refuses to create what is there."""
    try:
        found = open_store(storage_url(case.settings))
        if isinstance(found, LocalStore) and not found.root.exists():
            return ok(f"{found.root} is made at the first start")
        check_create(found)
    except Overwrites as error:
        return broken(str(error), "use another store; `residual store verify` tries one")
    except (StoreError, ValueError) as error:
        return broken(_first_line(error), "see docs/reference.md, RESIDUAL_STORAGE_URL")
    return ok("it can be written, and refuses a second create")


def store_clock(case: Case) -> Finding:
    """S3 refuses what is signed at another time."""
    endpoint = case.machine.environ.get("AWS_ENDPOINT_URL")
    if not (case.settings.storage_url or "").startswith("s3:") or not endpoint:
        return ok("no endpoint to compare with")
    try:
        answer = httpx.get(endpoint, timeout=TIMEOUT_S, trust_env=False, verify=False)  # noqa: S501 - no secret goes there
        there = parsedate_to_datetime(answer.headers["Date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return warning("the store does not tell its time", "compare its clock with this machine's")
    skew = abs((datetime.now(UTC) - there).total_seconds())
    if skew > SKEW_OF_STORE_S:
        return broken(f"its clock is {skew:.0f} s off this machine's", "let NTP set both clocks")
    return ok(f"{skew:.0f} s off this machine's")


class _Ray(NamedTuple):
    """Where it is, and what opens it."""

    address: str
    token: str | None


def ray(case: Case) -> Finding:
    """It answers to the token, and is of the version whose interface this program speaks."""
    at = _ray(case)
    if at is None:
        return ok("none runs; `residual up` starts one of its own")
    try:
        answer = httpx.get(
            f"{at.address}/api/version",
            headers={"Authorization": f"Bearer {at.token}"} if at.token else {},
            timeout=TIMEOUT_S,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        return broken(
            f"{at.address} does not answer: {_first_line(error)}",
            "start it, or check RESIDUAL_RAY_ADDRESS",
        )
    return _is_ours(case, at, answer)


def _is_ours(case: Case, at: _Ray, answer: httpx.Response) -> Finding:
    """Whether what answered is a Ray that this program can work with."""
    if answer.status_code in {401, 403}:
        return broken(
            f"{at.address} refuses the token", "check RESIDUAL_RAY_TOKEN against the cluster's"
        )
    try:
        theirs = str(answer.raise_for_status().json()["ray_version"])
        ours = case.machine.installed("ray")
    except (httpx.HTTPError, ValueError, KeyError):
        return broken(
            f"{at.address} does not answer as Ray does", "RESIDUAL_RAY_ADDRESS is Ray's dashboard"
        )
    if theirs != ours:
        return broken(
            f"the cluster runs Ray {theirs}, and this program has {ours}",
            "give both the same version",
        )
    return ok(f"Ray {theirs} answers at {at.address}")


def serve(case: Case) -> Finding:
    at = _ray(case)
    if at is None:
        return ok("none runs; it starts with Ray")
    if not serve_answers(at.address, at.token):
        return broken(
            "no proxy of Ray Serve is healthy",
            "`residual up` starts it; else see its logs on the cluster",
        )
    return ok("a proxy takes requests")


def gpus(case: Case) -> Finding:
    """On a Ray of this machine: a torch without CUDA trains on CPUs what was given GPUs."""
    at = _ray(case)
    if at is None or urlsplit(at.address).hostname not in LOOPBACK:
        return ok("no Ray on this machine to compare with")
    try:
        cluster = RayRest(at.address, at.token)
        with closing(cluster.http):
            there = cluster.capacity().gpus
        seen = case.machine.gpus()
    except (ClusterUnavailable, OSError) as error:
        return warning(f"they cannot be counted: {_first_line(error)}", "see the lines above")
    if seen != there:
        return broken(
            f"torch sees {seen} GPUs and Ray offers {there:g}",
            "install the torch that fits the driver, or start Ray with --num-gpus as many",
        )
    return ok(f"torch and Ray agree on {seen}")


def _ray(case: Case) -> _Ray | None:
    """The one of the settings, or that of a service of this data directory."""
    secret = case.settings.ray_token
    if case.settings.ray_address is not None:
        return _Ray(case.settings.ray_address, secret.get_secret_value() if secret else None)
    record = ray_record.load(case.places)
    if record is None or not os.access(case.places.ray_token, os.R_OK):
        return None
    return _Ray(record.address, case.places.ray_token.read_text())


def _first_line(error: Exception) -> str:
    """What drivers say over several lines, in one, without what they were asked."""
    said = str(getattr(error, "orig", None) or error) or type(error).__name__
    return said.strip().splitlines()[0][:300]
