"""An engine answers as the network does, or it is not used; of those that do, the fastest is."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.serving.versions import write_checkpoint
from trainer.contract.objects.local import LocalStore
from trainer.contract.serving import Engine as EngineName
from trainer.engines import choose, eager, openvino
from trainer.engines.engine import Engine, Given, Hardware, Kind, of_images
from trainer.evaluation import version
from trainer.evaluation.version import Unfit, Version

CPU = Hardware(device="cpu", threads=1, bf16=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Version:
    store = LocalStore(tmp_path_factory.mktemp("store"))
    return version.load(store, write_checkpoint(store, "job-1").prefix, device=torch.device("cpu"))


@dataclass
class Planted:
    """The network's logits of the golden batch, plus `error`, after `seconds`."""

    golden: Tensor
    error: Tensor
    seconds: float = 0.0

    def logits(self, pixels: Tensor) -> Tensor:
        until = time.process_time() + self.seconds  # of CPU: that is what is measured
        while time.process_time() < until:
            pass
        return self.golden[torch.arange(len(pixels)) % len(self.golden)] + self.error


def given(served: Version) -> Given:
    return of_images(served, CPU)


def planted(name: str, error: Tensor | float = 0.0, seconds: float = 0.0) -> Kind:
    def build(given: Given) -> Engine:
        return Planted(given.reference, torch.as_tensor(error), seconds)

    return Kind(name, lambda on: True, build)


def chosen(served: Version, *kinds: Kind, wanted: str = "auto") -> choose.Choice:
    return choose.choose(served, CPU, kinds=kinds, wanted=wanted)


def test_openvino_in_float32_answers_as_the_network_for_any_number_of_images(
    served: Version,
) -> None:
    engine = openvino.float32(given(served))
    for images in (1, 3, 16):
        pixels = torch.randint(0, 256, (images, 3, 32, 32), dtype=torch.uint8)
        assert torch.allclose(engine.logits(pixels), served.logits(pixels), atol=1e-4)


@pytest.mark.skipif(not openvino.multiplies_bf16(), reason="this processor has no bfloat16")
def test_bfloat16_never_sees_another_class_than_the_network(served: Version) -> None:
    engine = openvino.bfloat16(given(served))
    pixels = torch.randint(0, 256, (256, 3, 32, 32), dtype=torch.uint8)
    exact, found = served.logits(pixels), engine.logits(pixels)
    assert 0 < (exact - found).abs().max() < 0.1
    assert torch.equal(exact.argmax(1), found.argmax(1))


def test_near_ties_are_those_whose_two_largest_are_nearer_than_the_margin() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.75], [0.0, 1.0, 3.0], [5.0, 5.0, 0.0]])
    assert openvino.near_ties(logits, 0.5).tolist() == [True, False, True]
    assert openvino.near_ties(torch.ones(2, 1), 0.5).tolist() == [False, False]


def test_a_doubtful_image_is_answered_by_float32() -> None:
    @dataclass
    class Fixed:
        answer: Tensor

        def logits(self, pixels: Tensor) -> Tensor:
            return self.answer[: len(pixels)].clone()

    fast = Fixed(torch.tensor([[1.0, 9.0], [5.0, 5.1]]))
    exact = Fixed(torch.tensor([[7.0, 6.0]]))
    engine = openvino.Bfloat16(fast, exact, margin=0.5)  # type: ignore[arg-type]
    assert engine.logits(torch.zeros(2, 3, 4, 4)).tolist() == [[1.0, 9.0], [7.0, 6.0]]


def test_the_fastest_of_those_that_agree_is_chosen(served: Version) -> None:
    choice = chosen(served, planted("slow", seconds=0.02), planted("fast", seconds=0.001))
    assert choice.name == "fast"
    assert [each.name for each in choice.tried] == ["slow", "fast"]
    assert "ms an image in batches of 8" in str(choice.tried[1])


def test_a_less_exact_engine_must_be_worth_it(served: Version) -> None:
    choice = chosen(served, planted("exact", seconds=0.02), planted("similar", seconds=0.0195))
    assert choice.name == "exact"


def test_an_engine_that_sees_other_classes_is_out(served: Version) -> None:
    other = torch.zeros(10).index_fill(0, torch.tensor([3]), 100.0)
    choice = chosen(served, planted("exact", seconds=0.01), planted("wrong", other))
    assert choice.name == "exact"
    assert choice.tried[1].why_not == "sees other classes in the golden batch"


def test_an_engine_whose_probabilities_are_far_off_is_out(served: Version) -> None:
    best = served.logits(served.golden).argmax(1)

    @dataclass
    class Surer:
        def logits(self, pixels: Tensor) -> Tensor:
            return served.logits(pixels) * 3

    surer = Kind("surer", lambda on: True, lambda *_: Surer())
    choice = chosen(served, planted("exact", seconds=0.01), surer)
    assert torch.equal(Surer().logits(served.golden).argmax(1), best)
    assert choice.tried[1].why_not.startswith("a probability is off by")


def test_an_engine_that_cannot_be_built_is_out(served: Version) -> None:
    def broken(given: Given) -> Engine:
        raise RuntimeError("no such\ninstruction")

    choice = chosen(served, planted("exact"), Kind("broken", lambda on: True, broken))
    assert choice.name == "exact"
    assert choice.tried[1].why_not == "cannot be built here (no such instruction)"


def test_a_forced_engine_is_taken_unmeasured_or_the_version_does_not_start(served: Version) -> None:
    assert chosen(served, planted("a"), planted("b", seconds=0.01), wanted="b").name == "b"
    with pytest.raises(Unfit, match="no engine 'c'"):
        chosen(served, planted("a"), wanted="c")
    with pytest.raises(Unfit, match="wrong: sees other classes"):
        chosen(served, planted("wrong", float("nan")), wanted="wrong")


def test_the_first_that_answers_alike_is_taken_without_measuring(served: Version) -> None:
    kinds = (
        planted("slow", seconds=0.01),
        planted("wrong", float("nan")),
        Kind("elsewhere", lambda on: on.device == "cuda", lambda _: Planted(Tensor(), Tensor())),
        planted("fast"),
    )
    names = ("elsewhere", "wrong", "slow", "fast")
    choice = choose.first(served, CPU, names, kinds=kinds)
    assert choice.name == "slow"
    assert [str(each) for each in choice.tried] == [
        "wrong: sees other classes in the golden batch",
        "slow: probabilities within 0",
    ]
    with pytest.raises(Unfit, match="no engine of elsewhere suits"):
        choose.first(served, CPU, ("elsewhere",), kinds=kinds)


def test_every_engine_that_can_be_asked_for_is_there() -> None:
    names = {kind.name for kind in choose.KINDS}
    assert names | {choose.AUTO} == set(EngineName.__args__)  # type: ignore[attr-defined]


def test_bfloat16_is_tried_only_where_the_processor_multiplies_it() -> None:
    suits = {kind.name: kind.suits for kind in choose.KINDS}
    assert suits["openvino-bf16"](CPU)
    assert not suits["openvino-bf16"](CPU._replace(bf16=False))
    cuda = Hardware(device="cuda", threads=1, bf16=False)
    assert [name for name in suits if suits[name](cuda)] == ["eager", "inductor-bf16"]


def test_engines_load_no_ray() -> None:
    code = "import sys, trainer.engines.choose; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_openvino_tells_nobody_that_it_is_used(tmp_path: Path) -> None:
    """By itself its import sends a message, and keeps the sender's number in the home directory."""
    code = (
        "from trainer.engines import openvino; openvino.multiplies_bf16();"
        "from openvino.tools.ovc import telemetry_utils; print(telemetry_utils.tm.__name__)"
    )
    env = os.environ | {"HOME": str(tmp_path), "CI": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "openvino.tools.ovc.telemetry_stub", done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_compiled_engine_answers_as_the_network_on_a_gpu(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    served = version.load(
        store, write_checkpoint(store, "job-1").prefix, device=torch.device("cuda")
    )
    choice = choose.choose(served, choose.here(served.device, 1), wanted="inductor-bf16")
    exact = eager.build(of_images(served, CPU)).logits(served.golden)
    found = choice.engine.logits(served.golden)
    assert torch.allclose(found.softmax(1), exact.softmax(1), atol=choose.TOLERANCE)
