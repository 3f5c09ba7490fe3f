"""How torchvision, and those who began with its file, name the tensors of a ResNet; and ours.

`layouts` reads by it, `state_dicts` writes by it.
"""

import re

OUTSIDE = {"conv1": "stem.0.conv", "bn1": "stem.0.norm", "fc": "fc"}
"""Modules outside the blocks: torchvision's and our names."""
INSIDE = {f"conv{i}": f"conv{i}.conv" for i in (1, 2, 3)} | {
    **{f"bn{i}": f"conv{i}.norm" for i in (1, 2, 3)},
    "downsample.0": "shortcut.conv",
    "downsample.1": "shortcut.norm",
}
"""Modules of a block."""
OTHERS = {"linear": "fc", "shortcut.0": "shortcut.conv", "shortcut.1": "shortcut.norm"}
"""Other names of the same modules, on GitHub."""


def ours(name: str) -> str | None:
    """Our name of a tensor; None for a name that no ResNet of theirs has."""
    module, _, tensor = name.rpartition(".")
    if inside := re.fullmatch(r"layer([1-9])\.(\d+)\.(.+)", module):
        stage, block, part = inside.groups()
        found = (INSIDE | OTHERS).get(part)
        return found and f"stages.{int(stage) - 1}.{block}.{found}.{tensor}"
    found = (OUTSIDE | OTHERS).get(module)
    return found and f"{found}.{tensor}"


def torchvisions(name: str) -> str:
    """torchvision's name of a tensor of one of our ResNets."""
    module, _, tensor = name.rpartition(".")
    if inside := re.fullmatch(r"stages\.(\d)\.(\d+)\.(.+)", module):
        stage, block, part = inside.groups()
        return f"layer{int(stage) + 1}.{block}.{_key(INSIDE, part)}.{tensor}"
    return f"{_key(OUTSIDE, module)}.{tensor}"


def _key(table: dict[str, str], wanted: str) -> str:
    return next(key for key, value in table.items() if value == wanted)
