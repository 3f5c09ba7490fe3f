"""Versions that no job trained: of a checkpoint that is already in the store."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from service.db.engine import connect
from service.db.migrate import upgrade
from service.models.registrar import Registrar
from service.models.store import ModelStore
from tests.serving.versions import write_checkpoint
from trainer.contract import checkpoints, layout
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import NoSuchObject

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def registrar(engine: Engine, tmp_path: Path) -> Registrar:
    return Registrar(ModelStore(engine), LocalStore(tmp_path / "objects"), lambda: AT)


def test_a_checkpoint_becomes_one_version_of_each_name(registrar: Registrar) -> None:
    prefix = write_checkpoint(registrar.objects, "job-1").prefix
    made = registrar.once("default", "digits", prefix)
    assert registrar.once("default", "digits", prefix) == made
    assert registrar.once("default", "others", prefix).version == 1
    assert registrar.once("stranger", "digits", prefix).version == 1
    assert [each.version for each in registrar.store.versions("default", "digits")] == [1]
    copied = checkpoints.read(registrar.objects, layout.model_version("default", "digits", 1))
    assert copied.meta == made.meta


def test_a_checkpoint_that_is_not_there_gives_no_version(registrar: Registrar) -> None:
    with pytest.raises(NoSuchObject):
        registrar.once("default", "digits", layout.imported("0" * 64))
    assert registrar.store.versions("default", "digits") == []


def test_models_of_before_there_were_imports_are_kept(tmp_path: Path) -> None:
    """A database of the first revision, with a version in it, is brought up to date."""
    engine = connect(f"sqlite:///{tmp_path}/old.db")
    upgrade(engine, to="0001")
    written = write_checkpoint(LocalStore(tmp_path / "objects"), "job-1")
    insert = text(
        "INSERT INTO model_versions (project, name, version, origin, job_id, meta, created_at) "
        "VALUES ('default', 'digits', 1, :origin, 'job-1', :meta, '2026-01-01 00:00:00')"
    )
    with engine.begin() as connection:
        values = {"origin": written.prefix, "meta": written.meta.model_dump_json()}
        connection.execute(insert, values)
    upgrade(engine)
    store = ModelStore(engine)
    (found,) = store.versions("default", "digits")
    assert (found.version, found.meta, found.created_at) == (1, written.meta, AT)
    registrar = Registrar(store, LocalStore(tmp_path / "objects"), lambda: AT)
    assert registrar.once("default", "digits", written.prefix) == found
    engine.dispose()
