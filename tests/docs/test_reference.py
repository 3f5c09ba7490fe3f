"""Promises of the documents: what they say of the code is so."""

import re
from itertools import chain
from pathlib import Path

import pytest
from pydantic import BaseModel

from scripts.write_reference import page
from service.settings import Settings
from trainer.contract.evaluation import EvaluateSpec, ModelRef
from trainer.contract.prediction import PredictSpec
from trainer.contract.recipes import RecipeFields
from trainer.contract.space import Range
from trainer.contract.spec import CheckpointEvery, TrainSpec
from trainer.contract.sweep import Search, SweepSpec

ROOT = Path(__file__).parents[2]
PACKAGES = ("service", "trainer", "deploy", "tests", "benchmarks", "scripts")


def test_the_reference_is_what_the_code_says() -> None:
    written = (ROOT / "docs" / "reference.md").read_text()
    assert written == "\n".join(page()) + "\n", "run `make docs`"


@pytest.mark.parametrize(
    "model",
    [
        Settings,
        TrainSpec,
        RecipeFields,
        CheckpointEvery,
        EvaluateSpec,
        ModelRef,
        PredictSpec,
        SweepSpec,
        Search,
        Range,
    ],
)
def test_every_setting_and_field_is_explained(model: type[BaseModel]) -> None:
    unexplained = [name for name, field in model.model_fields.items() if not field.description]
    assert unexplained == []


def test_a_table_of_the_reference_has_a_line_for_each_row() -> None:
    rows = [line for line in page() if line.startswith("| ") and "\n" in line]
    assert [row for row in rows if not row.startswith("| field") and "---" not in row] == []


def test_the_readmes_tree_names_every_folder_and_only_what_exists() -> None:
    tree = re.search(r"```text\n(residual/.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tree is not None, "the README shows the tree in a ```text block"
    named = set(_paths(tree[1]))
    missing = [path for path in named if not (ROOT / path).exists()]
    assert missing == []
    folders = {
        path.parent.relative_to(ROOT).as_posix()
        for package in PACKAGES[:3]
        for path in (ROOT / package).rglob("*.py")
    }
    assert sorted(folders - named - {"service/db/migrations/versions"}) == []


def _paths(tree: str) -> list[str]:
    """The paths of a drawn tree whose levels are two columns, one name and its comment a line."""
    paths: list[str] = []
    parents: list[str] = []
    for line in tree.splitlines()[1:]:
        indent = len(line) - len(line.lstrip())
        parents = parents[: indent // 2 - 1]
        names = line.split("  #")[0].split()
        paths.extend("/".join([*parents, name.rstrip("/")]) for name in names)
        parents = [*parents, line.split()[0].rstrip("/")]
    return paths


def test_each_decision_says_context_choice_and_consequence() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert decisions
    for number, decision in enumerate(decisions, start=1):
        text = decision.read_text()
        assert decision.name.startswith(f"{number:04d}-")
        assert text.startswith(f"# {number}. ")
        for part in ("**Context.**", "**Choice.**", "**Consequence.**"):
            assert part in text, f"{decision.name} lacks {part}"


def test_links_between_documents_lead_somewhere() -> None:
    for page_path in chain(ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!http|#|mailto)([^)#]+)", page_path.read_text()):
            assert (page_path.parent / target).exists(), f"{page_path.name} links to {target}"


def test_the_locks_name_no_host_and_pin_every_version() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        for line in (ROOT / lock).read_text().splitlines():
            assert re.match(r"^[a-z0-9._-]+==[\w.!+]+( ;.*)?$", line), line


def test_no_file_is_long() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            lines = len(path.read_text().splitlines())
            assert lines <= 350, f"{path} has {lines} lines: is there a room missing?"
