"""The worked examples of CONTRIBUTING.md, applied to a copy of the project and run there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIFFS = re.findall(r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)

NETWORK = """
import torch
from trainer.contract import counting
from trainer.contract.archs import catalogue
from trainer.models.build import build

arch = catalogue()["resnet200"]
with torch.device("meta"):
    network = build(arch, 1000)
    assert network(torch.empty(1, 3, 224, 224)).shape == (1, 1000)
counted = sum(parameter.numel() for parameter in network.parameters())
assert counted == counting.parameters(arch, 1000) == 64_673_832, counted
"""

ENDPOINT = """
import sys
from pathlib import Path
from tests.api.conftest import serving

with serving(Path(sys.argv[1])) as service:
    job = service.submit().json()["id"]
    answer = service.client.get(f"/jobs/{job}/metrics/best")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_measured"), answer.text
    assert "after its first epoch" in answer.json()["detail"]
"""


@pytest.fixture(params=range(2), ids=["network", "endpoint"])
def example(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[int, Path]:
    """An example's number, and a copy of the project that it was applied to."""
    number: int = request.param
    copy = tmp_path / "copy"
    for folder in ("service", "trainer", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    command = ["git", "apply", "--unidiff-zero", "-"]
    subprocess.run(command, cwd=copy, input=DIFFS[number].encode(), check=True)
    return number, copy


def _run(copy: Path, *command: str) -> None:
    env = os.environ | {"PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_an_example_touches_three_files_at_most_and_works(
    example: tuple[int, Path], tmp_path: Path
) -> None:
    number, copy = example
    assert 1 <= DIFFS[number].count("\n+++ ") + DIFFS[number].startswith("+++ ") <= 3
    if number == 0:
        _run(copy, "-c", NETWORK)
    else:
        _run(copy, "-c", ENDPOINT, str(tmp_path / "data"))
        _run(copy, "-m", "pytest", "-q", "tests/api/test_contract.py", "tests/api/test_openapi.py")
