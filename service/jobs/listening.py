"""Who is told of every change of a job's state, beside whoever made it. Used by `parts`."""

import structlog

from service.jobs.store import Moved
from service.lifecycle import Job


def to_all(*listeners: Moved) -> Moved:
    """One after the other; none of them raises."""

    def tell(was: Job | None, now: Job) -> None:
        for listener in listeners:
            listener(was, now)

    return tell


def log(was: Job | None, now: Job) -> None:
    """A line for each change, so that the log tells a job's life."""
    structlog.get_logger().info(
        "job_moved",
        job=now.id,
        attempt=now.attempt,
        project=now.project,
        was=was.state.value if was else None,
        now=now.state.value,
        reason=now.reason.code.value if now.reason else None,
    )
