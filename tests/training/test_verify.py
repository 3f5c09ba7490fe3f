"""`residual verify-resume` and what it is made of: real processes, real kills, every bit compared."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from service.cli import verify_resume
from service.cli.failure import CommandFailed
from tests.local.running import RESIDUAL
from tests.training.small_runs import measured, small_spec
from trainer.verify import compare
from trainer.verify.runs import Kill, Run, disturbed, plan
from trainer.verify.verdict import Compared, Verdict
from trainer.verify.verify import verify

SHORT = small_spec(workers=2, iterations=14, input_size=8, checkpoint_every={"steps": 3})


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Verdict]:
    folder = tmp_path_factory.mktemp("verify")
    said: list[str] = []
    verdict = verify(SHORT, folder, kills=2, seed=4, say=said.append)
    assert len(said) == 4
    return folder, verdict


def test_a_killed_run_is_the_undisturbed_one(found: tuple[Path, Verdict]) -> None:
    _, verdict = found
    assert verdict.exact, verdict.wrong
    assert len(verdict.kills) == 2
    assert {each.name for each in verdict.compared} >= {"weights", "optimizer", "state", "metrics"}
    assert all(each.same for each in verdict.compared)
    assert verdict.steps == SHORT.iterations
    assert verdict.steps_done >= verdict.steps


def test_another_seed_is_another_run(found: tuple[Path, Verdict], tmp_path: Path) -> None:
    """What is compared tells runs apart."""
    folder, _ = found
    other = Run("other", SHORT.model_copy(update={"seed": 1}), tmp_path)
    other.finish()
    mine = compare.left(Run("undisturbed", SHORT, folder).store, "undisturbed", 1)
    theirs = compare.left(other.store, "other", 1)
    different = {each.name for each in compare.compare(mine, theirs) if not each.same}
    assert different >= {"weights", "optimizer", "metrics", "state"}


def test_the_plan_follows_from_its_seed() -> None:
    assert plan(4, SHORT, seed=1) == plan(4, SHORT, seed=1)
    assert plan(4, SHORT, seed=1) != plan(4, SHORT, seed=2)
    kills = [kill for seed in range(50) for kill in plan(3, SHORT, seed)]
    assert {kill.ranks for kill in kills} == {(0,), (1,), (0, 1)}
    assert all(1 <= kill.step < SHORT.iterations for kill in kills)


def test_two_workers_stop_early_at_the_same_step_whoever_is_killed(tmp_path: Path) -> None:
    """The first value stands and the next two are not better: after three epochs of five steps."""
    asked = {"metric": "loss", "patience": 2, "min_change": 100}
    spec = small_spec(workers=2, batch_size=256, iterations=40, input_size=8, early_stopping=asked)
    whole, killed = Run("whole", spec, tmp_path), Run("killed", spec, tmp_path)
    whole.finish()
    done = disturbed(killed, [Kill(12, (1,), 0.0)], say=lambda _: None)
    assert len(done) == 1
    lefts = [compare.left(whole.store, run.job_id, run.attempt) for run in (whole, killed)]
    assert lefts[0] == lefts[1]
    assert lefts[0]["last step"] == "15"
    again = replace(whole, spec=spec.model_copy(update={"iterations": 60}))
    again.finish()
    assert again.resumed_step() == 15
    assert compare.last_step(again.store, "whole", again.attempt) == 30


def test_steps_that_are_missing_or_twice_are_named() -> None:
    steps = [measured(step, 1).model_copy(update={"split": "train"}) for step in (1, 2, 2, 5)]
    assert compare.wrong_steps(steps, 4) == [
        "steps [3, 4] are not there",
        "steps [2] are there more than once",
        "steps [5] are beyond the last one, 4",
    ]


def test_the_table_says_what_differs(found: tuple[Path, Verdict]) -> None:
    verdict = found[1].model_dump()
    assert "exact: bit-identical after 2 kills" in verify_resume.said(verdict)
    bad = Compared(name="weights", undisturbed="a", disturbed="b").model_dump()
    broken = verdict | {"compared": [bad], "wrong": ["the weights differ"]}
    assert "DIFFERENT" in verify_resume.said(broken)
    assert "NOT THE SAME: the weights differ" in verify_resume.said(broken)


def test_a_training_comes_from_a_file_and_options_override_it(tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({"arch": "resnet8", "dataset": "digits", "iterations": 9}))
    assert verify_resume.training(file, {"iterations": 5})["iterations"] == 5
    assert verify_resume.training(None, {})["checkpoint_every"] == {"steps": 6}
    file.write_text("[]")
    with pytest.raises(CommandFailed, match="holds no JSON object"):
        verify_resume.training(file, {})


def test_what_cannot_be_trained_is_refused_in_a_sentence() -> None:
    command = [RESIDUAL, "verify-resume", "--dataset=nothing"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "there is no data set 'nothing'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_prints_a_verdict_for_scripts() -> None:
    options = ["--arch=resnet8", "--iterations=6", "--input-size=8", "--workers=1", "--kills=1"]
    command = [RESIDUAL, "verify-resume", *options, "--checkpoint-every=2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    verdict = Verdict.model_validate_json(done.stdout)
    assert verdict.exact
    assert len(verdict.kills) == 1


def test_the_service_need_not_load_torch_for_it() -> None:
    code = "import sys, service.cli.verify_resume; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
