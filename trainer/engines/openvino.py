"""OpenVINO on CPUs, in float32 or bfloat16: layers fused, scaling and mean inside.

In bfloat16 the images whose two best classes lie too near each other are computed again in float32.
"""

import sys
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainer.engines.engine import Given

DEVICE = "CPU"
DOUBT = 2.0
"""bfloat16 is doubted where two classes are nearer than so many of its largest errors on the golden batch:
each of the two can be off by one."""


@dataclass(frozen=True)
class OpenVino:
    """One compiled model, with buffers of its own: one batch at a time."""

    request: Any

    def logits(self, pixels: Tensor) -> Tensor:
        (found,) = self.request.infer({0: pixels.contiguous().numpy()}, share_inputs=True).values()
        return torch.from_numpy(found)


@dataclass(frozen=True)
class Bfloat16:
    """bfloat16 where it is sure of the class, float32 where it is not."""

    fast: OpenVino
    exact: OpenVino
    margin: float
    """Between the two largest logits; below it float32 decides."""

    def logits(self, pixels: Tensor) -> Tensor:
        logits = self.fast.logits(pixels)
        doubtful = near_ties(logits, self.margin)
        if doubtful.any():
            logits[doubtful] = self.exact.logits(pixels[doubtful])
        return logits


def float32(given: Given) -> OpenVino:
    return _compiled(given, "f32")


def bfloat16(given: Given) -> Bfloat16:
    exact, fast = _compiled(given, "f32"), _compiled(given, "bf16")
    error = (fast.logits(given.golden) - given.reference).abs().max().item()
    return Bfloat16(fast, exact, margin=DOUBT * error)


def multiplies_bf16() -> bool:
    """Whether this processor has instructions for it (AVX-512 BF16 or AMX)."""
    return "BF16" in _library().Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def near_ties(logits: Tensor, margin: float) -> Tensor:
    """Which rows of (B, classes) have two largest logits nearer than `margin`: bool (B)."""
    if logits.shape[1] < 2:
        return torch.zeros(len(logits), dtype=torch.bool)
    first, second = logits.topk(2, dim=1).values.unbind(1)
    return first - second < margin


def _library() -> Any:
    """OpenVINO. Its import would tell its makers and write to the home directory; without the package that
    does so it does neither."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # Python's sign for: not there
    import openvino  # 0.2 s, which only those who ask wait for

    return openvino


def _model(given: Given) -> Any:
    """The module as OpenVINO's graph, for any number of images."""
    library = _library()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = given.golden[:1]
    with torch.inference_mode(), warnings.catch_warnings():
        # torch would rather be asked by `torch.export`, which takes seconds to load.
        warnings.simplefilter("ignore", FutureWarning)
        traced = torch.jit.trace(given.module, example, check_trace=False)  # type: ignore[no-untyped-call]
        # Not `openvino.convert_model`: that freezes the module first (1.8 s of CPU for a ResNet-18, not 0.7).
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced, example_input=example)  # held until it is read
        model = frontend.convert(frontend.load(decoder))
    pixels = model.inputs[0].get_node()
    if example.dtype == torch.uint8:
        pixels.set_element_type(library.Type.u8)
    sides = [-1, -1] if given.any_side else example.shape[2:]
    pixels.set_partial_shape(library.PartialShape([-1, example.shape[1], *sides]))
    model.validate_nodes_and_infer_types()
    return model


def _compiled(given: Given, precision: str) -> OpenVino:
    """The module in `precision`, made once for all engines that are built from `given`."""
    made, key = given.shared, f"openvino {precision}"
    if "openvino" not in made:
        made["openvino"] = _model(given)
    if key not in made:
        options = {
            "PERFORMANCE_HINT": "LATENCY",  # one batch has all threads
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": given.hardware.threads,
        }
        compiled = _library().Core().compile_model(made["openvino"], DEVICE, options)
        made[key] = OpenVino(compiled.create_infer_request())
    found: OpenVino = made[key]
    return found
