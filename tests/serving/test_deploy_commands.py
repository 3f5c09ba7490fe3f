"""`residual deploy`, `deployment`, `rollback` and `undeploy` against the service over HTTP."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.failure import CommandFailed
from service.cli.main import commands
from tests.api.conftest import KEY, listening
from tests.serving.pictures import png
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


def test_several_models_are_deployed_as_one(world: World, run: Run) -> None:
    world.register("other", 1, 2)
    said = run("deploy", "best", "--ensemble", "digits:1,other", "--protocol", "10-crop")
    assert said == "best: version 1 starting; averages digits:1, other:2"
    shown = world.service.client.get("/models/best/deployment").json()
    assert shown["desired"]["protocol"] == "10-crop"
    with pytest.raises(CommandFailed, match="NAME:VERSION"):
        run("deploy", "best", "--ensemble", "digits:x,other")


def test_an_image_is_shown_as_the_command_line_says(world: World, run: Run, tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(png())
    assert run("predict", str(image), "--protocol", "multi-scale").endswith("100.0%")
    assert world.asked[-1].url.params["protocol"] == "multi-scale"


def test_a_version_that_does_not_exist_is_said_so(run: Run) -> None:
    with pytest.raises(CommandFailed, match="no version 9"):
        run("deploy", "digits", "--version", "9")
