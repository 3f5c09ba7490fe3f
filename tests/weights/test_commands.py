"""`residual import` and `residual export`, as an administrator runs them."""

import subprocess
from pathlib import Path

import pytest
import torch

from deploy.classifier import Classifier, Question, member
from service.settings import Settings
from service.stores import storage_url
from tests.api.conftest import serving
from tests.local.running import RESIDUAL, Running, environment
from tests.serving.pictures import png
from tests.waiting import until
from tests.weights import github
from tests.weights.github import randomised
from trainer.contract import layout
from trainer.contract.evaluation import EvaluatedModel
from trainer.contract.objects.open import open_store
from trainer.engines.choose import here
from trainer.evaluation.version import load

NAMES = [f"animal {i}" for i in range(10)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A checkpoint as akamaster's training script saves it."""
    torch.manual_seed(0)
    path = tmp_path / "resnet20.th"
    state = {
        f"module.{name}": tensor
        for name, tensor in randomised(github.akamaster(20)).state_dict().items()
    }
    torch.save({"state_dict": state, "best_prec1": 91.7}, path)
    return path


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    return path


def residual(data_dir: Path, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [RESIDUAL, *map(str, words)],
        cwd=data_dir.parent,
        env=environment(RESIDUAL_DATA_DIR=str(data_dir)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_file_becomes_a_version_that_the_running_service_shows(
    tmp_path: Path, file: Path, classes: Path
) -> None:
    with serving(tmp_path / "data") as service:
        said = residual(tmp_path / "data", "import", file, "--as=cifar", f"--classes={classes}")
        assert "cifar version 1: resnet20 of 10 classes, read as akamaster" in said.stdout, said
        shown = service.client.get("/models/cifar").json()["versions"]
    assert len(shown) == 1
    assert (shown[0]["version"], shown[0]["job"], shown[0]["dataset"]) == (1, None, None)
    assert shown[0]["imported"]["file"] == "resnet20.th"
    assert shown[0]["imported"]["layout"] == "akamaster"
    assert shown[0]["class_names"] == NAMES


def test_without_a_service_a_file_is_imported_once_and_exported_proved(
    tmp_path: Path, file: Path, classes: Path
) -> None:
    data_dir = tmp_path / "data"
    words = ("import", file, "--as=cifar", f"--classes={classes}")
    assert "cifar version 1" in residual(data_dir, *words).stdout
    assert "cifar version 1" in residual(data_dir, *words).stdout  # the one there is
    assert "cifar version 2" in residual(data_dir, *words, "--mean", "0.5", "0.5", "0.5").stdout
    store = open_store(storage_url(Settings(data_dir=data_dir)))
    prefix = layout.model_version("default", "cifar", 1)
    version = load(store, prefix, device=torch.device("cpu"))
    model = EvaluatedModel(name="cifar", version=1, prefix=prefix)
    classifier = Classifier((member(model, version, here(version.device, 1)),))
    ((result,),) = classifier.classify([Question(classifier.prepare([png(1)]), top_k=10)])
    assert {prediction.label for prediction in result.predictions} == set(NAMES)
    exported = tmp_path / "out.onnx"
    export = ("export", "cifar", "--version=1", "--format=onnx", f"--output={exported}")
    said = residual(data_dir, *export)
    assert "run again, its logits differ by" in said.stdout, said
    assert exported.is_file()
    assert "is there already" in residual(data_dir, *export).stderr


def test_code_that_lies_beside_a_file_is_not_run(tmp_path: Path, file: Path) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('it was run')")
    assert "version 1" in residual(tmp_path / "data", "import", file.name, "--as=cifar").stdout


REFUSED: dict[str, tuple[list[str], str]] = {
    "no file": (["import", "none.pth", "--as=cifar"], "cannot read none.pth"),
    "no name": (["import", "FILE", "--as=Cifar/1"], "is no name of a model"),
    "no layout": (["import", "FILE", "--as=cifar", "--layout=keras"], "no layout 'keras'"),
    "class names": (
        ["import", "FILE", "--as=cifar", "--classes=FILE"],
        "is no text file of class names",
    ),
    "no model": (["export", "cifar"], "project default has no model 'cifar'"),
    "names": (["export", "cifar", "--format=onnx", "--names=torchvision"], "--names is for"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_a_sentence(tmp_path: Path, file: Path, case: str) -> None:
    words, sentence = REFUSED[case]
    done = residual(tmp_path / "data", *(word.replace("FILE", str(file)) for word in words))
    assert done.returncode == 1
    assert done.stderr.startswith("residual: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.ray
def test_an_imported_model_serves(running: Running, file: Path) -> None:
    assert running.command("import", str(file), "--as=imported").returncode == 0
    path = "/models/imported/deployment"
    with running.http() as http:
        assert http.put(path, json={}).status_code == 202
        until(lambda: http.get(path).json()["state"] == "ready", within_s=90)
        answer = http.post(
            "/predict?model=imported&top_k=10",
            content=png(1),
            headers={"Content-Type": "image/png"},
        ).raise_for_status()
        http.delete(path).raise_for_status()
    labels = {each["label"] for each in answer.json()["results"][0]["predictions"]}
    assert labels == {f"class-{i}" for i in range(10)}
