"""`residual sweep` as its user runs it, where no Ray is needed."""

import pytest

from tests.api.conftest import Service, service, url
from tests.jobs.making import begin, measure, point
from tests.keys.command import Command

__all__ = ["service", "url"]


@pytest.fixture
def command(url: str) -> Command:
    return Command(url)


def test_a_dry_run_lists_the_trials_and_submits_nothing(service: Service, command: Command) -> None:
    said = command.run(
        "sweep",
        "paper-figure-6",
        "--dataset=fashion-mnist-mini",
        "--scale=0.01",
        "--at-once=2",
        "--dry-run",
    )
    assert said[0].split() == ["number", "what", "parameters", "multiply-adds", "epochs", "hours"]
    assert [line.split()[2].rstrip(",") for line in said[1:11]] == [
        *("plain20", "plain32", "plain44", "plain56"),
        *("resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet1202"),
    ]
    assert said[11].startswith("10 trials, 2 at once. How long they take is not known")
    assert service.client.get("/jobs").json()["items"] == []


def test_once_something_was_trained_a_dry_run_says_how_long_it_takes(
    service: Service, command: Command
) -> None:
    job = service.started(arch="resnet20")
    begin(service.objects, job.id, 1)
    measure(
        service.objects, job.id, 1, [point(n, "train", images_per_second=100.0) for n in (1, 2)]
    )
    service.parts.reconciler.tick()
    service.parts.reconciler.attendant.note_progress(service.job(job.id))
    said = command.run(
        "sweep", "--vary=depth=20,32", "--arch=resnet", "--dataset=digits", "--dry-run"
    )
    assert "worker-hours, by the pace of 1 training on this cluster" in said[3]


def test_what_is_no_sweep_is_a_sentence(command: Command) -> None:
    assert "depth=20,32" in command.failure("sweep", "--vary=depth", "--dry-run")
    assert "There is no preset" in command.failure("sweep", "paper-table-9", "--dry-run")
