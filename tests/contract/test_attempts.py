"""Promises of an attempt's documents: an outcome is committed once, whoever comes first."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from trainer.contract import attempts, layout
from trainer.contract.attempts import Outcome
from trainer.contract.objects.local import LocalStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _outcome(status: Literal["succeeded", "failed", "given_up"]) -> Outcome:
    return Outcome(job_id="job-1", attempt=1, status=status, at=NOW)


def test_a_late_commit_is_refused_and_told_what_stands(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    given_up = attempts.commit_outcome(store, _outcome("given_up"))
    late = attempts.commit_outcome(store, _outcome("succeeded"))
    assert late == given_up
    assert attempts.read(store, layout.outcome("job-1", 1), Outcome) == given_up


def test_all_who_race_agree_on_one_outcome(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    racers = [_outcome("succeeded"), _outcome("failed"), _outcome("given_up")] * 3
    with ThreadPoolExecutor(9) as pool:
        standing = set(pool.map(lambda o: attempts.commit_outcome(store, o).status, racers))
    assert len(standing) == 1


def test_what_was_never_written_is_none(tmp_path: Path) -> None:
    assert attempts.read(LocalStore(tmp_path), layout.outcome("job-1", 1), Outcome) is None


def test_a_document_of_another_kind_is_refused(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(layout.outcome("job-1", 1), b'{"hello": 1}')
    with pytest.raises(ValueError, match="is not a Outcome"):
        attempts.read(store, layout.outcome("job-1", 1), Outcome)
