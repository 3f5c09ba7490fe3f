"""`residual watch`: a job's progress, live, until it has ended."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

import httpx
import typer

from service.cli.client import Client, JobId, Url, connect
from service.cli.failure import CommandFailed
from service.cli.progress import showing
from trainer.contract.attempts import MetricPoint

ENDED = {"succeeded", "failed", "cancelled"}
LOOK_EVERY_S = 0.5
PATIENCE_S = 60.0
"""A service that is started again meanwhile is found again."""


def watch(job: JobId, url: Url = None) -> None:
    """Show a job's progress until it ends. Exit status 1 unless it succeeds."""
    with connect(url) as client:
        follow(client, job)


def follow(client: Client, job: str) -> tuple[dict[str, Any], list[MetricPoint]]:
    """The job as it ended, and all its points. Raises CommandFailed unless it succeeded."""
    spec = client.get(f"/jobs/{job}")["spec"]
    points: list[MetricPoint] = []
    with showing(spec) as show, telling(client, job):
        for point in all_points(client, job):
            points.append(point)
            show(point)
    ended = client.get(f"/jobs/{job}")
    if ended["state"] != "succeeded":
        reason = ended["reason"] or {"message": "", "remedy": ""}
        raise CommandFailed(
            f"{job} {ended['state']}: {reason['message']} {reason['remedy']}".rstrip()
        )
    typer.echo(f"{job} succeeded; {_came_to(ended['result'])}", err=True)
    return ended, points


@contextmanager
def telling(client: Client, job: str) -> Iterator[None]:
    """Meanwhile says on standard error in which state the job is and why, whenever that changes; and how far
    it is, if no point does."""
    over = Event()
    thread = Thread(target=_tell, args=(client, job, over), name="states")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _tell(client: Client, job: str, over: Event) -> None:
    said = ""
    while not over.is_set():
        with suppress(CommandFailed):  # whoever reads the stream hears of it, too
            seen = client.get(f"/jobs/{job}")
            now = _counted(seen) or _state(seen)
            if now != said and seen["state"] not in ENDED:
                said = now
                typer.echo(said, err=True)
        over.wait(LOOK_EVERY_S)


def _state(job: dict[str, Any]) -> str:
    why = f": {job['reason']['message']}" if job["reason"] else ""
    return f"{job['id']} {job['state']}{why}"


def _counted(job: dict[str, Any]) -> str | None:
    """How far a running prediction is; None of any other job."""
    progress = job["progress"]
    if job["kind"] != "predict" or job["state"] != "running" or not progress:
        return None
    said = f"{progress['step']:,} of {progress['steps']:,} images"
    if rate := progress["images_per_second"]:
        said += f" · {rate:,.0f} images/s · {progress['eta_s']:.0f} s left"
    return said


def all_points(client: Client, job: str) -> Iterator[MetricPoint]:
    """Each point once, over as many streams as it takes."""
    last: str | None = None
    broken_at: float | None = None
    while True:
        try:
            for event_id, point in client.points(job, after=last):
                last, broken_at = event_id, None
                yield point
        except httpx.TransportError as error:
            broken_at = broken_at or time.monotonic()
            if time.monotonic() - broken_at > PATIENCE_S:
                raise CommandFailed(f"the service does not answer any more ({error})") from error
            time.sleep(LOOK_EVERY_S)
        else:
            return


def _came_to(result: dict[str, Any]) -> str:
    said = []
    if best := result["best"]:
        error = best["metrics"]["top1_error"]
        said.append(f"best validation error {error:.2f} % at step {best['step']}")
    if trial := result.get("trial"):
        said.append(f"trial {trial['number']} is the best: {trial['metric']} {trial['value']:.4g}")
    if predictions := result.get("predictions"):
        said.append(f"{predictions['images']:,} images, {predictions['errors']:,} errors")
    if evaluation := result["evaluation"]:
        said.append(f"{evaluation['protocol']} top-1 error {evaluation['top1_error']:.2f} %")
    return "; ".join(said)
