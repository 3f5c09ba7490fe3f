"""`residual deploy`, `deployment`, `rollback` and `undeploy` against the service over HTTP."""

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner

from service.cli.failure import CommandFailed
from service.cli.main import commands
from tests.api.conftest import KEY, listening
from tests.serving.replicas import World

Run = Callable[..., str]


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A command; what it prints."""
    monkeypatch.setenv("RESIDUAL_API_KEY", KEY)

    def call(*words: str) -> str:
        done = CliRunner().invoke(commands, [*words, "--url", url])
        if done.exception:
            raise done.exception
        return done.output.strip().splitlines()[-1]  # before it, the service's own log

    with listening(world.service.app) as url:
        yield call


def test_a_canary_is_tried_promoted_and_rolled_back(world: World, run: Run) -> None:
    assert run("deployment", "digits") == "digits: version 1 ready"
    said = run("deploy", "digits", "--canary", "2", "--percent", "12.5")
    assert said == "digits: version 1 ready; canary: version 2 starting, 12.5 %"
    assert run("rollback", "digits") == "digits: version 1 ready"
    world.try_out("digits", 1, canary=2, percent=5, ready=False)
    said = run("deployment", "digits")
    assert said.endswith("version 2 failed, 5 %; Version 2 did not start: it is damaged.")
    said = run("deploy", "digits", "--version", "2", "--max", "3")
    assert said == "digits: version 2 updating; version 1 serves"
    shown = world.service.client.get("/models/digits/deployment").json()
    assert shown["desired"]["replicas"] == {"min": 1, "max": 3, "idle_s": 300}
    assert run("undeploy", "digits") == "digits is taken down"
    with pytest.raises(CommandFailed, match="not deployed"):
        run("deployment", "digits")


def test_waiting_ends_when_it_is_ready_and_fails_when_it_fails(world: World, run: Run) -> None:
    assert run("deploy", "digits", "--version", "1", "--wait") == "digits: version 1 ready"
    world.try_out("digits", 1, canary=2, percent=10)
    said = run("deploy", "digits", "--canary", "2", "--wait")
    assert said == "digits: version 1 ready; canary: version 2 ready, 10 %"


def test_a_version_that_does_not_exist_is_said_so(run: Run) -> None:
    with pytest.raises(CommandFailed, match="no version 9"):
        run("deploy", "digits", "--version", "9")
