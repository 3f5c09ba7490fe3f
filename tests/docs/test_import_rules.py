"""The import rules of `make check` catch what they are there for: each break is planted in a copy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("service", "trainer", "deploy")

BREAKS = {
    "service/jobs/plan.py": "import torch",
    "service/predict/service.py": "import trainer.training.loop",
    "deploy/classifier.py": "import service.errors",
    "trainer/training/points.py": "import fastapi",
    "trainer/models/resnet.py": "import trainer.training.loop",
    "trainer/training/loop.py": "import ray",
    "trainer/contract/archs.py": "import torch",
    "service/models/routes.py": "import service.models.store",
    "service/catalogue/routes.py": "import sqlalchemy",
    "service/lifecycle.py": "import service.jobs.store",
}


def _lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    env = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's code that may be broken."""
    copy = tmp_path_factory.mktemp("project")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def test_the_project_keeps_its_rules(project: Path) -> None:
    assert _lint(project).returncode == 0


@pytest.mark.parametrize("file", BREAKS)
def test_a_planted_break_is_caught(project: Path, file: str) -> None:
    whole = (project / file).read_text()
    (project / file).write_text(f"{whole}\n{BREAKS[file]}\n")
    try:
        found = _lint(project)
    finally:
        (project / file).write_text(whole)
    assert found.returncode != 0
    assert "BROKEN" in found.stdout
    planted = Path(file).with_suffix("").as_posix().replace("/", ".")
    assert planted in found.stdout


def test_packages_import_nothing_by_themselves() -> None:
    """Or importing the API would load torch."""
    speaking = [
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
        if path.read_text().strip()
    ]
    assert speaking == []
