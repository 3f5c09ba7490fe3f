"""A job's progress on standard error: a live bar at a terminal, a line an epoch anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from trainer.contract.attempts import MetricPoint

Show = Callable[[MetricPoint], None]


@contextmanager
def showing(spec: dict[str, Any]) -> Iterator[Show]:
    """A function that shows a point of a job with this resolved `spec`."""
    figures = Figures(spec)
    if spec["kind"] != "train":  # no other job writes points
        yield lambda _: None
        return
    if not sys.stderr.isatty():
        yield lambda point: _print_epoch(figures.after(point), point)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(16), MofNCompleteColumn())
    with Progress(
        *columns, TextColumn("{task.fields[figures]}"), console=Console(stderr=True)
    ) as bar:
        task = bar.add_task("", total=spec["iterations"], epoch="", figures="")

        def show(point: MetricPoint) -> None:
            figures.after(point)
            epoch = f"{point.epoch}/{spec['epochs']}"
            bar.update(task, completed=point.step, epoch=epoch, figures=str(figures))

        yield show


class Figures:
    """The newest figures of a job, as one line."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.train: MetricPoint | None = None
        self.val: MetricPoint | None = None

    def after(self, point: MetricPoint) -> "Figures":
        if point.split == "val":
            self.val = point
        else:
            self.train = point
        return self

    def __str__(self) -> str:
        said = []
        if train := self.train:
            said += [f"loss {train.loss:.3f}", f"train error {train.top1_error:4.1f} %"]
        if val := self.val:
            said.append(f"val error {val.top1_error:4.1f} %")
        if train and (rate := train.images_per_second):
            left = (self.spec["iterations"] - train.step) * self.spec["batch_size"] / rate
            said += [f"{rate:,.0f} images/s", f"{left:.0f} s left"]
        return " · ".join(said)


def _print_epoch(figures: Figures, point: MetricPoint) -> None:
    if point.split == "val":
        spec = figures.spec
        where = f"epoch {point.epoch}/{spec['epochs']} · step {point.step}/{spec['iterations']}"
        typer.echo(f"{where} · {figures}", err=True)
