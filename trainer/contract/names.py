"""Names and numbers that both sides of the service agree on."""

from typing import Annotated

from pydantic import StringConstraints

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A name a client may choose: it is also a path segment, so nothing else passes."""


def submission_id(job_id: str, attempt: int) -> str:
    """Ray's id for one attempt of a job. Ray refuses a second one, so an attempt starts once."""
    return f"{job_id}-{attempt}"


def job_and_attempt(submission_id: str) -> tuple[str, int]:
    """What a submission is of."""
    job_id, _, attempt = submission_id.rpartition("-")
    return job_id, int(attempt)
