"""What a replica measures of itself. Ray gathers it; Prometheus finds where at `/api/prometheus/sd` of Ray's
dashboard."""

from dataclasses import dataclass

from ray.serve import metrics

from trainer.contract.serving import ReplicaArgs

STAGES = ("decode", "queue", "compute", "encode")
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
IMAGES = (1, 2, 4, 8, 16, 32, 64)
TAGS = ("model", "version")


@dataclass(frozen=True)
class Metrics:
    """Ray adds the application, whose name begins with the project, and the replica."""

    seconds: metrics.Histogram
    batches: metrics.Histogram
    refused: metrics.Counter

    def stage(self, name: str, seconds: float) -> None:
        self.seconds.observe(max(seconds, 1e-9), {"stage": name})

    def batch(self, images: int) -> None:
        self.batches.observe(images)

    def refusal(self, status: int) -> None:
        self.refused.inc(tags={"status": str(status)})


def of(args: ReplicaArgs) -> Metrics:
    """The metrics of one replica, named for what it serves."""
    made = Metrics(
        seconds=metrics.Histogram(
            "residual_predict_seconds",
            description="Seconds of a request in each stage of a replica.",
            boundaries=SECONDS,
            tag_keys=(*TAGS, "stage"),
        ),
        batches=metrics.Histogram(
            "residual_predict_batch_images",
            description="Images that were computed at once.",
            boundaries=IMAGES,
            tag_keys=TAGS,
        ),
        refused=metrics.Counter(
            "residual_predict_refused",
            description="Requests that were answered with an error, by HTTP status.",
            tag_keys=(*TAGS, "status"),
        ),
    )
    for each in (made.seconds, made.batches, made.refused):
        each.set_default_tags({"model": args.name, "version": str(args.version)})
    return made
