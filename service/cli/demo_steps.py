"""The steps of `residual demo`, each with the `curl` line that does the same."""

import json
import time
from pathlib import Path
from typing import Any

import typer

from service.cli.client import Body, Client
from service.cli.demo_pictures import learning_curve, test_images
from service.cli.failure import CommandFailed
from service.cli.predict import classify as ask
from service.cli.watch import follow
from trainer.contract.attempts import MetricPoint

DATASET = "fashion-mnist-mini"
READY_WITHIN_S = 120.0
LOOK_EVERY_S = 0.5
CURL = 'curl -H "Authorization: Bearer $KEY"'


def train(client: Client, epochs: int) -> tuple[dict[str, Any], list[MetricPoint]]:
    """The job as it ended, and its points."""
    body = {"arch": "resnet20", "dataset": DATASET, "epochs": epochs, "batch_size": 64}
    _step(
        "Train a ResNet-20 on 5,000 pictures of clothing, in two processes", "POST", "/jobs", body
    )
    job = client.post("/jobs", body)
    typer.echo(f"  {CURL} -N $URL{job['links']['stream']}")
    return follow(client, job["id"])


def draw(job: dict[str, Any], points: list[MetricPoint], output: Path) -> Path:
    """The learning curve on disk."""
    output.mkdir(parents=True, exist_ok=True)
    picture = output / "learning-curve.png"
    learning_curve(points, title=f"{job['spec']['arch']} on {job['spec']['dataset']}", path=picture)
    typer.echo(f"\nThe learning curve is in {picture}")
    return picture


def register(client: Client, job: dict[str, Any], model: str) -> None:
    body = {"name": model, "job": job["id"]}
    _step("Register its best checkpoint as a model", "POST", "/models", body)
    made = client.post("/models", body)
    typer.echo(f"  → {made['name']} version {made['version']}")


def deploy(client: Client, model: str) -> None:
    """Returns when the model answers."""
    path = f"/models/{model}/deployment"
    _step("Deploy it", "PUT", path, {})
    deployment = client.put(path, {})
    began = time.monotonic()
    while deployment["state"] != "ready":
        if deployment["state"] == "failed" or time.monotonic() - began > READY_WITHIN_S:
            raise CommandFailed(f"the deployment is {deployment['state']}: {deployment['message']}")
        time.sleep(LOOK_EVERY_S)
        deployment = client.get(path)
    typer.echo(f"  → version {deployment['serving_version']} serves")


def classify(client: Client, model: str, count: int, output: Path) -> None:
    """Ask for test images: the network was not trained on them."""
    images = test_images(count)
    typer.echo(f"\nClassify {count} test images")
    for image in images:
        (output / image.name).write_bytes(image.png)
        typer.echo(f"  {CURL} --data-binary @{output / image.name} -H 'Content-Type: image/png' \\")
        typer.echo(f'    "$URL/predict?model={model}&top_k=3"')
    answer = ask(client, [(image.name, image.png) for image in images], model, top_k=3)
    for image, result in zip(images, answer.results, strict=True):
        seen = ", ".join(f"{each.label} {each.probability:.1%}" for each in result.predictions)
        right = "✓" if result.predictions[0].label == image.label else "✗"
        typer.echo(f"  {right} {image.name}: it is {image.label}; the model sees {seen}")


def _step(what: str, method: str, path: str, body: Body) -> None:
    typer.echo(f"\n{what}")
    verb = "" if method == "POST" else f"-X {method} "
    typer.echo(f"  {CURL} {verb}--json '{json.dumps(body)}' $URL{path}")
