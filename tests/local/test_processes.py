"""Mark and sweep: all that carries the mark is found and ended, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from service.local.instance import prepare
from service.local.processes import MARK, end_marked, mark_of, marked, same_process
from service.local.ray_head import command, environment, token_of
from service.local.ray_record import new_ports, new_temp_dir
from tests.waiting import until
from trainer.contract.crashes import SETTING
from trainer.contract.doors import ADDRESS

FAMILY = "import subprocess, sys; subprocess.Popen(['sleep', '100'], start_new_session=True).wait()"
"""A process with a child that left its session."""
LONGEST_SOCKET = "session_2026-11-23_12-44-40_091737_2905000/sockets/plasma_store"


@contextmanager
def family(mark: str) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", FAMILY], env=os.environ | {MARK: mark}) as parent:
        until(lambda: len(marked(mark)) == 2, within_s=10)
        yield parent
        for each in marked(mark):
            each.kill()


def test_a_sweep_ends_detached_children_of_dead_parents(tmp_path: Path) -> None:
    mark = mark_of(tmp_path)
    with family(mark) as parent:
        parent.kill()
        parent.wait()
        assert len(marked(mark)) == 1
        assert end_marked(mark) == []
        assert marked(mark) == []


def test_a_sweep_leaves_the_processes_of_another_directory_alone(tmp_path: Path) -> None:
    with family(mark_of(tmp_path / "other")) as other:
        assert end_marked(mark_of(tmp_path)) == []
        assert other.poll() is None


def test_the_mark_is_that_of_the_directory_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert mark_of(tmp_path / "link") == mark_of(tmp_path) != mark_of(tmp_path / "other")


def test_a_number_that_another_process_has_now_is_not_the_same_process() -> None:
    me = psutil.Process()
    assert same_process(me.pid, me.create_time()) == me
    assert same_process(me.pid, me.create_time() - 60) is None


def test_a_dead_child_is_not_the_same_process() -> None:
    with subprocess.Popen(["sleep", "100"]) as child:
        created = psutil.Process(child.pid).create_time()
        child.kill()
        # Nobody has waited for it yet: it is still listed, as a zombie.
        until(lambda: same_process(child.pid, created) is None, within_s=5)


def test_ray_gets_no_key_of_the_service(tmp_path: Path) -> None:
    places = prepare(tmp_path)
    mine = {"RESIDUAL_API_KEY": "secret", "RESIDUAL_DATABASE_URL": "secret", "HOME": "/root"}
    mine |= {"RAY_AUTH_TOKEN": "secret", "AWS_ACCESS_KEY_ID": "for the object store"}
    theirs = environment(places, mine)
    assert "secret" not in theirs.values()
    assert theirs["AWS_ACCESS_KEY_ID"] == "for the object store"
    assert theirs[MARK] == mark_of(tmp_path)


def test_a_crash_that_a_test_wants_reaches_rays_processes_and_no_other_setting_does(
    tmp_path: Path,
) -> None:
    mine = {SETTING: "after_files@/a/file", "RESIDUAL_API_KEY": "secret", ADDRESS: "192.0.2.1"}
    theirs = environment(prepare(tmp_path), mine)
    assert {name for name in theirs if name.startswith("RESIDUAL_")} == {MARK, SETTING, ADDRESS}
    assert theirs[ADDRESS] == "127.0.0.1"


def test_every_process_of_ray_uses_compiled_bytecode(tmp_path: Path) -> None:
    theirs = environment(prepare(tmp_path), {"PYTHONDONTWRITEBYTECODE": "1"})
    assert "PYTHONDONTWRITEBYTECODE" not in theirs


def test_the_token_of_ray_is_kept_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    places = prepare(tmp_path)
    assert token_of(places) == token_of(places)
    assert len(token_of(places)) >= 32
    assert places.ray_token.stat().st_mode & 0o077 == 0


def test_rays_sockets_have_short_paths_wherever_the_data_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("long" * 20)))
    folder = new_temp_dir()
    try:
        assert len(str(folder / LONGEST_SOCKET)) < 107
        assert folder.stat().st_mode & 0o077 == 0
        assert any(str(folder) in word for word in command(new_ports(), folder))
    finally:
        folder.rmdir()
