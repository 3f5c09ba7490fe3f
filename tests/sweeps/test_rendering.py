"""Promises of the process that draws: the same pictures, and nothing of matplotlib in the service's own."""

import subprocess
import sys
from threading import BoundedSemaphore

import psutil
import pytest

from service.errors import Unavailable
from service.sweeps import pictures, rendering
from service.sweeps.rendering import Renderer
from tests.sweeps.made_up import looked_into, preset_input

GIVEN = looked_into(preset_input("paper-figure-7", "fashion-mnist-mini", 0.01))


def test_the_pictures_are_those_that_are_drawn_here() -> None:
    assert Renderer().draw(GIVEN, ["depth", "responses"]) == [
        pictures.draw(GIVEN, "depth"),
        pictures.draw(GIVEN, "responses"),
    ]


def test_the_service_that_has_shown_a_picture_has_no_matplotlib() -> None:
    code = (
        "import sys\n"
        "from service.sweeps.rendering import Renderer\n"
        "from tests.sweeps.test_rendering import GIVEN\n"
        "assert Renderer().draw(GIVEN, ['depth'])[0].startswith(b'\\x89PNG')\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_machine_that_has_no_time_says_so_and_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rendering, "WAITS_S", 0.01)
    renderer = Renderer()
    with pytest.raises(Unavailable, match="too busy"):
        renderer.draw(GIVEN, ["curves"])
    left = [" ".join(each.cmdline()) for each in psutil.Process().children(recursive=True)]
    assert not [words for words in left if rendering.__name__ in words]
    monkeypatch.undo()
    assert renderer.draw(GIVEN, ["depth"])  # and its turn is free again


def test_who_gets_no_turn_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "WAITS_S", 0.01)
    turns = BoundedSemaphore(1)
    with turns, pytest.raises(Unavailable, match="too busy"):
        Renderer(turns).draw(GIVEN, ["curves"])
