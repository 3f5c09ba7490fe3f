"""`residual backup` and `residual restore` as the administrator has them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from service.cli.failure import CommandFailed
from service.cli.main import commands
from service.clock import utc_now
from service.db.leases import Leases
from service.local.failure import CannotStart
from service.local.instance import held, prepare
from service.reconcile.loop import LEASE
from tests.backup.test_places import trained
from tests.reconcile.world import World

Residual = Callable[..., str]


@pytest.fixture
def residual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Residual:
    """What a command prints; raises what it fails with."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, of: World | None = None) -> str:
        with monkeypatch.context() as env:
            env.setenv("RESIDUAL_DATA_DIR", str(tmp_path / "data"))
            if of is not None:
                env.setenv("RESIDUAL_DATABASE_URL", str(of.engine.url))
                env.setenv("RESIDUAL_STORAGE_URL", of.objects.root.as_uri())
            done = CliRunner().invoke(commands, words)
        if done.exception:
            raise done.exception
        return done.stdout

    return run


def test_a_backup_is_brought_back_by_two_commands(
    world: World, residual: Residual, tmp_path: Path
) -> None:
    trained(world, 1, tmp_path)
    assert ": 1 jobs, 0 versions of models, " in residual("backup", "kept", of=world)
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0, "others could read it"
    assert residual("restore", "kept", "--verify").endswith(" is whole\n")
    assert not (tmp_path / "data").exists()
    assert residual("restore", "kept", "--data-dir", "new").startswith("restored ")
    with pytest.raises(CommandFailed, match="--replace"):
        residual("restore", "kept", "--data-dir", "new")
    assert residual("restore", "kept", "--data-dir", "new", "--replace").startswith("restored ")


def test_old_backups_are_removed_when_that_is_asked_for(world: World, residual: Residual) -> None:
    first = residual("backup", "kept", "--keep=1", of=world).split()[1].rstrip(":")
    assert "removed" not in residual("backup", "kept", of=world)
    assert f"removed {first}, " in residual("backup", "kept", "--keep=1", of=world)


def test_no_old_backup_is_removed_while_the_store_has_something_damaged(
    world: World, residual: Residual, tmp_path: Path
) -> None:
    prefix = trained(world, 1, tmp_path)
    first = residual("backup", "kept", of=world).split()[1].rstrip(":")
    world.objects.delete(f"{prefix}/manifest.json")
    with pytest.raises(CommandFailed, match="no older one is removed"):
        residual("backup", "kept", "--keep=1", of=world)
    assert residual("restore", "kept", f"--name={first}", "--verify").endswith(" is whole\n")


def test_nothing_is_brought_back_under_a_running_service(
    world: World, residual: Residual, tmp_path: Path
) -> None:
    residual("backup", "kept", of=world)
    with held(prepare(tmp_path / "data")), pytest.raises(CannotStart, match="already runs"):
        residual("restore", "kept")
    assert Leases(world.engine).hold(LEASE, "another", now=utc_now(), ttl=timedelta(minutes=9))
    with pytest.raises(CommandFailed, match="a service works on this database"):
        residual("restore", "kept", "--replace", of=world)


def test_damage_in_the_store_is_told_by_the_exit_status(
    world: World, residual: Residual, tmp_path: Path
) -> None:
    prefix = trained(world, 1, tmp_path)
    world.objects.put(f"{prefix}/model.safetensors", b"something else")
    with pytest.raises(CommandFailed, match="without 2 that are damaged"):
        residual("backup", "kept", of=world)


def test_what_is_not_there_is_a_sentence(residual: Residual) -> None:
    with pytest.raises(CommandFailed, match="there is no database"):
        residual("backup", "kept")
    with pytest.raises(CommandFailed, match="there is no folder"):
        residual("restore", "nowhere")
    with pytest.raises(CommandFailed, match="is no object store"):
        residual("restore", "ftp://somewhere")


def test_a_database_of_another_version_is_not_backed_up(world: World, residual: Residual) -> None:
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    with pytest.raises(CommandFailed, match="at revision 0005, and this program works with"):
        residual("backup", "kept", of=world)
