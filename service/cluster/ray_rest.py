"""A Ray cluster through the REST interfaces of its dashboard: Ray Jobs and the state of the nodes.

Used by the reconciler. Nothing of Ray is imported, so the service stays small.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from service.cluster.cluster import Capacity, Node, Sighting
from service.errors import ClusterUnavailable

TIMEOUT_S = 5.0
ATTEMPT = " -m trainer.run "
"""In the entrypoint of every attempt."""
MAX_LISTED = 10_000
"""The most that Ray's state interface lists."""

SIGHTINGS = {
    "PENDING": Sighting.PENDING,
    "RUNNING": Sighting.RUNNING,
    "STOPPED": Sighting.ENDED,
    "SUCCEEDED": Sighting.ENDED,
    "FAILED": Sighting.ENDED,
}
NOT_UNDERSTOOD = (httpx.HTTPStatusError, ValueError, LookupError, TypeError, AttributeError)
"""What an answer raises that is not Ray's: refused, no JSON, or of another shape."""


@dataclass(frozen=True)
class RayRest:
    """Implements `Cluster`. Safe for several threads at once."""

    address: str
    """Of Ray's dashboard, as http://127.0.0.1:8265."""
    token: str | None = field(default=None, repr=False)
    http: httpx.Client = field(init=False, repr=False)
    _creators: dict[str, str | None] = field(default_factory=dict, repr=False)
    """Ray's id of a job → the submission that it is, None if it is no attempt. To find out, Ray goes through
    all the jobs that there ever were."""

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        client = httpx.Client(
            base_url=self.address, headers=headers, timeout=TIMEOUT_S, trust_env=False
        )
        object.__setattr__(self, "http", client)

    def submit(self, submission_id: str, entrypoint: str) -> None:
        # No CPUs for the entrypoint: it only waits, and the workers' CPUs were admitted by us.
        body = {"submission_id": submission_id, "entrypoint": entrypoint}
        answer = self._ask("POST", "/api/jobs/", json=body)
        if answer.is_success or "already exists" in answer.text:
            return
        raise ClusterUnavailable(f"Ray did not take {submission_id}: {_last_line(answer)}")

    def sighting(self, submission_id: str) -> Sighting:
        try:
            answer = self._ask("GET", _job(submission_id))
        except ClusterUnavailable:
            return Sighting.UNKNOWN
        if _is_missing(answer):
            return Sighting.MISSING
        try:
            return SIGHTINGS[answer.raise_for_status().json()["status"]]
        except NOT_UNDERSTOOD:
            return Sighting.UNKNOWN

    def stop(self, submission_id: str) -> None:
        """A submission that is still pending may ignore this: call again until it has ended."""
        answer = self._ask("POST", f"{_job(submission_id)}/stop")
        if not answer.is_success and not _is_missing(answer):
            raise ClusterUnavailable(f"Ray did not stop {submission_id}: {_last_line(answer)}")

    def capacity(self) -> Capacity:
        listed = self._listed("nodes", detail="true")
        status = self._ask("GET", "/api/cluster_status")
        try:
            usage = _usage_by_node(status.raise_for_status().json()["data"])
            alive = [node for node in listed if node["state"] == "ALIVE"]
            return Capacity(tuple(_node(node, usage.get(node["node_id"], {})) for node in alive))
        except NOT_UNDERSTOOD as error:
            raise self._no_ray("nodes", error) from error

    def abandoned(self, *, but: AbstractSet[str]) -> frozenset[str]:
        groups = self._listed("placement_groups", where=("state", "!=", "REMOVED"))
        try:
            of = {group["placement_group_id"]: group["creator_job_id"] for group in groups}
        except NOT_UNDERSTOOD as error:
            raise self._no_ray("placement groups", error) from error
        for gone in self._creators.keys() - of.values():
            del self._creators[gone]
        attempts = {job: self._attempt(job) for job in set(of.values())}
        ended = {
            job
            for job, attempt in attempts.items()
            if attempt and attempt not in but and self.sighting(attempt) is Sighting.ENDED
        }
        return frozenset(group for group, job in of.items() if job in ended)

    def _attempt(self, job: str) -> str | None:
        """The submission that a job, by Ray's own id, is, if that is an attempt."""
        if job not in self._creators:
            for found in self._listed("jobs", where=("job_id", "=", job)):
                is_attempt = ATTEMPT in (found.get("entrypoint") or "")
                self._creators[job] = found.get("submission_id") if is_attempt else None
        return self._creators.get(job)

    def _listed(
        self, what: str, *, where: tuple[str, str, str] | None = None, detail: str = "false"
    ) -> list[dict[str, Any]]:
        """Of Ray's state. Raises ClusterUnavailable."""
        query = {"limit": str(MAX_LISTED), "detail": detail}
        if where:
            query |= zip(("filter_keys", "filter_predicates", "filter_values"), where, strict=True)
        answer = self._ask("GET", f"/api/v0/{what}?{urlencode(query)}")
        try:
            found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]["result"][
                "result"
            ]
        except NOT_UNDERSTOOD as error:
            raise self._no_ray(what, error) from error
        return found

    def _no_ray(self, what: str, error: Exception) -> ClusterUnavailable:
        return ClusterUnavailable(
            f"what answers at {self.address} does not tell its {what} as Ray does ({error!r}); "
            "check RESIDUAL_RAY_ADDRESS and RESIDUAL_RAY_TOKEN"
        )

    def _ask(self, method: str, path: str, *, json: object = None) -> httpx.Response:
        try:
            return self.http.request(method, path, json=json)
        except httpx.HTTPError as error:
            raise ClusterUnavailable(
                f"Ray's dashboard at {self.address} does not answer ({error or type(error).__name__}); "
                "see /readyz and Ray's log"
            ) from error


def _job(submission_id: str) -> str:
    return f"/api/jobs/{quote(submission_id, safe='')}"


def _is_missing(answer: httpx.Response) -> bool:
    """Ray's own 404, not that of something else that answers at this address."""
    return answer.status_code == httpx.codes.NOT_FOUND and "does not exist" in answer.text


def _last_line(answer: httpx.Response) -> str:
    """Ray puts whole stack traces into its answers; the last line says what happened."""
    lines = answer.text.strip().splitlines()
    return f"{answer.status_code} {lines[-1][:200] if lines else ''}".strip()


def _usage_by_node(status: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Node id → resource → [used, total]. Empty in the first seconds of a cluster's life."""
    report = (status.get("clusterStatus") or {}).get("loadMetricsReport") or {}
    usage: dict[str, dict[str, list[float]]] = report.get("usageByNode") or {}
    return usage


def _node(listed: dict[str, Any], usage: dict[str, list[float]]) -> Node:
    total = listed["resources_total"]
    cpus, gpus = float(total.get("CPU", 0)), float(total.get("GPU", 0))
    return Node(
        id=listed["node_id"],
        address=listed["node_ip"],
        cpus=cpus,
        gpus=gpus,
        cpus_free=max(0.0, cpus - usage.get("CPU", [0.0])[0]),
        gpus_free=max(0.0, gpus - usage.get("GPU", [0.0])[0]),
    )
