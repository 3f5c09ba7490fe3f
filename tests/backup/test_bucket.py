"""Backups of a service whose objects are in a bucket, and into one: on SeaweedFS, by the two commands."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast
from unittest.mock import patch

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from service.backup import place
from service.cli.failure import CommandFailed
from service.cli.main import commands
from tests.backup.making import contents
from tests.backup.test_places import trained
from tests.contract.seaweed import BUCKET, environment, seaweed
from tests.reconcile.world import World
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import ObjectStore

SERVICE, KEPT, ANEW = (f"s3://{BUCKET}/{name}" for name in ("service", "kept", "anew"))


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[None]:
    folder = tmp_path / "seaweed"
    folder.mkdir()
    with seaweed(folder) as endpoint, patch.dict(os.environ, environment(endpoint)):
        yield


@pytest.fixture
def kept(bucket: None) -> ObjectStore:
    return open_store(KEPT)


@pytest.fixture
def trains(bucket: None, sqlite: Engine, tmp_path: Path) -> None:
    """The service has a job that trained, in its bucket."""
    trained(World(sqlite, cast(LocalStore, open_store(SERVICE))), 1, tmp_path)


def residual(*words: str, data_dir: Path, store: str, database: Engine | None = None) -> str:
    """What a command prints; raises what it fails with."""
    env = {"RESIDUAL_DATA_DIR": str(data_dir), "RESIDUAL_STORAGE_URL": store}
    if database is not None:
        env["RESIDUAL_DATABASE_URL"] = str(database.url)
    done = CliRunner().invoke(commands, words, env=env)
    if done.exception:
        raise done.exception
    return done.stdout


@pytest.mark.usefixtures("trains")
def test_a_bucket_is_backed_up_into_a_bucket_and_brought_back(
    sqlite: Engine, tmp_path: Path, kept: ObjectStore
) -> None:
    service = partial(residual, data_dir=tmp_path / "data", store=SERVICE, database=sqlite)
    assert ": 1 jobs, 0 versions of models, " in service("backup", KEPT)
    assert "copied 0 of " in service("backup", KEPT, "--keep=1")
    assert len(place.backups(kept)) == 1

    anew = partial(residual, "restore", KEPT, store=ANEW)
    assert anew("--verify", data_dir=tmp_path / "anew").endswith(" is whole\n")
    assert contents(open_store(ANEW)) == {}
    anew(data_dir=tmp_path / "anew")
    folder = (tmp_path / "objects").as_uri()
    residual("restore", KEPT, data_dir=tmp_path / "folder", store=folder)
    before = contents(open_store(SERVICE))
    assert contents(open_store(ANEW)) == contents(open_store(folder)) == before
    with pytest.raises(CommandFailed, match="--replace"):
        anew(data_dir=tmp_path / "another")


@pytest.mark.usefixtures("trains")
def test_what_was_damaged_in_the_bucket_is_brought_back_nowhere(
    sqlite: Engine, tmp_path: Path, kept: ObjectStore
) -> None:
    residual("backup", KEPT, data_dir=tmp_path / "data", store=SERVICE, database=sqlite)
    largest = max(kept.list(place.CONTENTS), key=lambda found: found.size)
    kept.put(largest.key, kept.get(largest.key)[:-1] + b"?")
    named = largest.key.rpartition("/")[2][:8]
    for asked in (("--verify",), ()):
        with pytest.raises(CommandFailed, match=f"damaged: .*{named}"):
            residual("restore", KEPT, *asked, data_dir=tmp_path / "anew", store=ANEW)
    assert contents(open_store(ANEW)) == {}
