"""What a device can do: which precision to train in, on how many threads. `setup` and `worker` ask."""

from collections.abc import Mapping
from typing import Literal

import torch

from trainer.contract.recipes import Precision, Recipe

Chosen = Literal["fp32", "bf16"]


def choose_precision(
    wanted: Precision, device: torch.device, cpu: Mapping[str, object] | None = None
) -> Chosen:
    """`wanted`, where auto is bf16 if the device computes it natively. `cpu`: as torch reports it."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        found = torch.cpu.get_capabilities() if cpu is None else cpu
        # Emulated bf16 is slower than fp32; these are x86's two units and ARM's one for it.
        native = any(found.get(unit) for unit in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bf16" if native else "fp32"


def autocast(device: torch.device, precision: Chosen) -> torch.autocast:
    """The context that a forward pass runs in. Weights, gradients and losses stay in fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def memory_format(recipe: Recipe) -> torch.memory_format:
    """Of a network and its images."""
    return torch.channels_last if recipe.channels_last else torch.contiguous_format


def threads(cpus_per_worker: float) -> int:
    """Threads of one worker's computations: its share of the machine and no more."""
    return max(1, int(cpus_per_worker))


def describe(device: torch.device) -> str:
    """The device's name, as 'cpu' or 'NVIDIA H100 80GB HBM3'."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
