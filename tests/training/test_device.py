"""What is chosen for a device, without having one."""

import pytest
import torch

from trainer.training.device import autocast, choose_precision, threads

CPU = torch.device("cpu")


@pytest.mark.parametrize("unit", ["avx512_bf16", "amx_bf16", "bf16"])
def test_auto_is_bf16_on_a_cpu_that_computes_it(unit: str) -> None:
    assert choose_precision("auto", CPU, {unit: True}) == "bf16"


def test_auto_is_fp32_on_a_cpu_that_would_emulate_bf16() -> None:
    assert choose_precision("auto", CPU, {"avx2": True, "avx512_bf16": False}) == "fp32"


def test_a_precision_that_was_asked_for_is_used() -> None:
    assert choose_precision("bf16", CPU, {}) == "bf16"
    assert choose_precision("fp32", CPU, {"avx512_bf16": True}) == "fp32"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_auto_asks_a_gpu() -> None:
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    chosen = choose_precision("auto", torch.device("cuda"))
    assert chosen == ("bf16" if native else "fp32")


def test_a_forward_pass_runs_in_the_chosen_precision() -> None:
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast(CPU, "bf16"):
        assert layer(x).dtype == torch.bfloat16
    with autocast(CPU, "fp32"):
        assert layer(x).dtype == torch.float32


@pytest.mark.parametrize(("cpus", "expected"), [(0.25, 1), (1, 1), (1.9, 1), (4, 4)])
def test_a_worker_computes_on_its_share_of_the_cpus(cpus: float, expected: int) -> None:
    assert threads(cpus) == expected
