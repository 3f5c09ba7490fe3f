"""What must be true of a job that is shown, given what its attempts have done."""

from fastapi.testclient import TestClient

from tests.property import model
from tests.property.attempts import Attempts
from tests.property.model import Known
from trainer.contract.names import submission_id
from trainer.contract.reasons import FREE, RETRIED, Code

ENDED_BY = {Code.MAX_PENDING_EXCEEDED, Code.MAX_RUNTIME_EXCEEDED, Code.DIVERGED} | RETRIED
"""Codes of failed jobs."""
QUEUED_FOR = FREE | RETRIED | {Code.RESUMED_BY_USER}
"""Codes of queued jobs that do not say what they wait for."""


def reason(job: Known, attempts: Attempts, *, excused: int) -> None:
    """It says why it is where it is, and nothing else is the case. `excused`: attempts that may have
    ended without costing a retry."""
    assert all(job.shown["reason"].values()), job.shown
    code = Code(job.shown["reason"]["code"])
    stands = attempts.committed.get((job.id, job.shown["attempt"]))
    if job.state in {"starting", "running"}:
        assert f"Attempt {job.shown['attempt']} " in job.shown["reason"]["message"], job.shown
    match job.state:
        case "running":
            assert submission_id(job.id, job.shown["attempt"]) in attempts.runs
        case "succeeded":
            assert stands is not None
            assert stands.status == "succeeded"
            assert job.shown["result"]["best"] is not None
        case "failed":
            assert code in ENDED_BY, job.shown
        case "cancelled" | "cancelling":
            assert "cancel" in job.requests
        case "paused" | "pausing":
            assert "pause" in job.requests
        case "queued":
            assert code.startswith("waiting_") or code in QUEUED_FOR, job.shown
        case _:
            pass
    allowed = (1 + job.body.get("max_retries", 3)) * (1 + job.resumes)
    assert job.shown["attempt"] <= allowed + excused + halted(job, attempts)


def halted(job: Known, attempts: Attempts) -> int:
    """Attempts that ended because the service asked them to."""
    mine = [stands for (id_, _), stands in attempts.committed.items() if id_ == job.id]
    return sum(stands.status == "halted" for stands in mine)


def history(client: TestClient, job: Known) -> None:
    """Its events lead to its state, and each of its steps was measured once."""
    events = client.get(f"/jobs/{job.id}/events").json()["items"]
    assert model.is_chain(events), events
    assert events[-1]["to"] == job.state
    assert all(event["reason"] for event in events[1:]), events  # it was made for no reason
    points = client.get(f"/jobs/{job.id}/metrics").json()["points"]
    steps = [point["step"] for point in points if point["split"] == "train"]
    assert steps == list(range(1, len(steps) + 1))
    if job.state == "succeeded":
        assert len(steps) == job.shown["spec"]["iterations"]
