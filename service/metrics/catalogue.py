"""Every metric of the service, once: what `/metrics` shows, and `make docs` writes to docs/metrics.md.

Labels come from closed lists (states, reasons, routes, parts) or are cut off (`MOST_…`): however many jobs
there ever were, a scrape stays as large. A job's id is a label only while the job lives.
"""

from dataclasses import dataclass
from typing import Literal

MOST_JOBS = 100
"""Running jobs that have series of their own, the oldest first."""
MOST_PROJECTS = 50
"""Projects in the queue that have series of their own; the others are added up as `_others`."""
MOST_DEPLOYMENTS = 100
OTHERS = "_others"
"""No project has that name: they begin with a letter or digit."""

From = Literal["replica", "database", "leader"]
"""Who knows it. replica: each for itself, to be added up. database: each shows the same, and the largest is
the newest. leader: only the replica that reconciles shows it."""

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: of requests, and of what they wait for."""
SLOW = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)
"""Seconds: of a job's way to its first step."""


@dataclass(frozen=True)
class Metric:
    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    """A sentence. Units are in the names, as Prometheus wants them."""
    labels: tuple[str, ...] = ()
    known_by: From = "replica"
    buckets: tuple[float, ...] = ()
    """Of a histogram: upper ends."""


REQUESTS = Metric(
    "residual_http_requests_total",
    "counter",
    "HTTP requests that were answered, by the route's template.",
    ("route", "method", "status"),
)
REQUEST_SECONDS = Metric(
    "residual_http_request_seconds",
    "histogram",
    "Seconds from a request to the beginning of its answer; streams go on after that.",
    ("route", "method"),
    buckets=QUICK,
)
PART_SECONDS = Metric(
    "residual_part_seconds",
    "histogram",
    "Seconds of a call to the object store, the database or Ray.",
    ("part", "operation"),
    buckets=QUICK,
)
PART_FAILURES = Metric(
    "residual_part_failures_total",
    "counter",
    "Calls to the object store, the database or Ray that failed by their doing.",
    ("part", "operation"),
)
TRANSITIONS = Metric(
    "residual_job_transitions_total",
    "counter",
    "Changes of jobs' states; `from` is empty for a new job, `reason` is of the closed list.",
    ("kind", "from", "to", "reason"),
)
PHASE_SECONDS = Metric(
    "residual_job_phase_seconds",
    "histogram",
    "Seconds of an attempt's way: `queued` until it is admitted, `placing` until its first worker has begun, "
    "`first_step` until its first step is seen.",
    ("kind", "phase"),
    buckets=SLOW,
)
JOBS = Metric(
    "residual_jobs",
    "gauge",
    "Jobs that have not ended, paused ones among them.",
    ("state", "kind"),
    "database",
)
QUEUE = Metric(
    "residual_queue_jobs",
    "gauge",
    "Queued jobs, by project and by what they wait for.",
    ("project", "reason"),
    "database",
)
QUEUE_AGE = Metric(
    "residual_queue_oldest_age_seconds",
    "gauge",
    "For how long the job that waits longest has been queued; 0: none waits.",
    (),
    "database",
)
OUTBOX = Metric(
    "residual_webhook_outbox_messages",
    "gauge",
    "Messages to webhooks that were not taken yet.",
    (),
    "database",
)
OUTBOX_LATE = Metric(
    "residual_webhook_outbox_late_seconds",
    "gauge",
    "By how much the message that is due for longest is late; 0: none is due.",
    (),
    "database",
)
RESULTS = ("taken", "failed", "given_up")
WEBHOOK_TRIES = Metric(
    "residual_webhook_tries_total",
    "counter",
    "Messages that were sent to webhooks: `taken`, `failed` and to be sent again, or `given_up`.",
    ("result",),
)
PREDICTIONS_ASKED = Metric(
    "residual_predictions_asked_total",
    "counter",
    "Questions to replicas, by the way they went: `door`, the replica's own, or `proxy`, Ray Serve's.",
    ("way",),
)
DEPLOYMENTS = Metric(
    "residual_deployments",
    "gauge",
    "Deployments by their state: `ready` and `idle` are as they should be.",
    ("state",),
    "database",
)
REPLICAS_WANTED = Metric(
    "residual_deployment_replicas_wanted",
    "gauge",
    "Replicas that a deployment is to have at least.",
    ("project", "model"),
    "database",
)
REPLICAS = Metric(
    "residual_deployment_replicas",
    "gauge",
    "Replicas of the wanted version that run.",
    ("project", "model"),
    "database",
)
DATABASE_ANSWERS = Metric(
    "residual_database_answers",
    "gauge",
    "1 if the database answered this scrape; 0: what is read from it is missing.",
)
CLUSTER_ANSWERS = Metric(
    "residual_cluster_answers", "gauge", "1 if Ray answered this replica's last look."
)
NODES = Metric("residual_cluster_nodes", "gauge", "Living nodes of the cluster.")
CPUS = Metric("residual_cluster_cpus", "gauge", "CPUs of the cluster.")
CPUS_FREE = Metric("residual_cluster_cpus_free", "gauge", "CPUs that nothing has reserved.")
GPUS = Metric("residual_cluster_gpus", "gauge", "GPUs of the cluster.")
GPUS_FREE = Metric("residual_cluster_gpus_free", "gauge", "GPUs that nothing has reserved.")
LEADS = Metric("residual_reconciler_leads", "gauge", "1 in the replica that reconciles, else 0.")
LOOK_SECONDS = Metric(
    "residual_reconciler_look_seconds",
    "histogram",
    "Seconds of a look at all jobs, by the replica that reconciles.",
    buckets=QUICK,
)
LOOKED_AT = Metric(
    "residual_reconciler_last_look_timestamp_seconds",
    "gauge",
    "When the last whole look was done, in seconds since 1970.",
    known_by="leader",
)
TROUBLES = Metric(
    "residual_reconciler_failures_total",
    "counter",
    "What a look could not do, by what it was about: `job` for any job.",
    ("part",),
)
JOB_INFO = Metric(
    "residual_job_info",
    "gauge",
    "1 for each job that holds resources, to join its facts by `job`.",
    ("job", "project", "kind", "state", "attempt"),
    "leader",
)
JOB_STEP = Metric(
    "residual_job_step",
    "gauge",
    "Steps that a running job has done; images, of a prediction.",
    ("job",),
    "leader",
)
JOB_STEPS = Metric(
    "residual_job_steps", "gauge", "Steps that a running job is to do.", ("job",), "leader"
)
JOB_RATE = Metric(
    "residual_job_images_per_second",
    "gauge",
    "Images a running job does in a second, over all workers.",
    ("job",),
    "leader",
)
JOB_DATA = Metric(
    "residual_job_data_wait_seconds_total",
    "counter",
    "Seconds that the first worker's loop spent on making batches, in this attempt.",
    ("job",),
    "leader",
)
JOB_STALL = Metric(
    "residual_job_checkpoint_stall_seconds_total",
    "counter",
    "Seconds that the training loop waited when a checkpoint was due, in this attempt.",
    ("job",),
    "leader",
)
JOB_CHECKPOINT = Metric(
    "residual_job_checkpoint_timestamp_seconds",
    "gauge",
    "When the last good checkpoint was stored, by the worker's clock, in seconds since 1970; before the "
    "first one, when the attempt began.",
    ("job",),
    "leader",
)
JOB_SILENCE = Metric(
    "residual_job_silence_seconds",
    "gauge",
    "For how long the first worker has given no sign of life; at 30 it is given up.",
    ("job",),
    "leader",
)
BUILD = Metric("residual_build_info", "gauge", "1, with the version that runs.", ("version",))

METRICS = (
    *(REQUESTS, REQUEST_SECONDS),
    *(JOBS, QUEUE, QUEUE_AGE, TRANSITIONS, PHASE_SECONDS),
    *(JOB_INFO, JOB_STEP, JOB_STEPS, JOB_RATE, JOB_DATA, JOB_STALL, JOB_CHECKPOINT, JOB_SILENCE),
    *(CLUSTER_ANSWERS, NODES, CPUS, CPUS_FREE, GPUS, GPUS_FREE),
    *(LEADS, LOOK_SECONDS, LOOKED_AT, TROUBLES),
    *(PART_SECONDS, PART_FAILURES, DATABASE_ANSWERS),
    *(OUTBOX, OUTBOX_LATE, WEBHOOK_TRIES),
    *(DEPLOYMENTS, REPLICAS_WANTED, REPLICAS, PREDICTIONS_ASKED),
    BUILD,
)
