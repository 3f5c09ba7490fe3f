"""Writes docs/reference.md from the code, so that no setting, field, error or reason is told twice.

Used by `make docs`; a test compares the page with what this prints.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from annotated_types import Ge, Gt, Le, Lt, MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service import errors
from service.settings import Settings
from trainer.contract.archs import catalogue
from trainer.contract.counting import multiply_adds, parameters
from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import EvaluateSpec, ModelRef
from trainer.contract.objects.options import Options
from trainer.contract.prediction import PredictSpec
from trainer.contract.presets import PRESETS, Preset
from trainer.contract.reasons import FREE, REMEDIES, RETRIED, Code
from trainer.contract.recipes import DEEP, RECIPES, Named, RecipeFields
from trainer.contract.space import Range
from trainer.contract.spec import CheckpointEvery, TrainFields, TrainSpec
from trainer.contract.sweep import Search, SweepSpec

PAGE = Path(__file__).parent.parent / "docs" / "reference.md"

SIGNS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}


def bounds(field: FieldInfo) -> str:
    said = []
    for constraint in field.metadata:
        if isinstance(constraint, MaxLen):
            said.append(f"length ≤ {constraint.max_length}")
        elif type(constraint) in SIGNS:
            attribute, sign = SIGNS[type(constraint)]
            said.append(f"{sign} {getattr(constraint, attribute):,}".replace(",", " "))
    return ", ".join(said)


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, BaseModel):
        return f"`{field.default.model_dump(exclude_none=True)}`"
    return "" if field.default is None else f"`{field.default}`"


def meaning(field: FieldInfo) -> str:
    """On one line, as a table wants it."""
    return " ".join((field.description or "").split())


def fields(
    model: type[BaseModel], *, prefix: str = "", but: type[BaseModel] | None = None
) -> Iterator[str]:
    """A table of the model's fields, without those of `but`."""
    yield "| field | default | range | meaning |\n|---|---|---|---|"
    own = list(model.__annotations__)  # before what it shares with other models

    def place(name: str) -> tuple[bool, bool]:
        return not model.model_fields[name].is_required(), name not in own

    shared = but.model_fields if but else {}
    for name in sorted((name for name in model.model_fields if name not in shared), key=place):
        field = model.model_fields[name]
        shown = f"{prefix}{name.upper() if prefix else name}"
        yield f"| `{shown}` | {default(field)} | {bounds(field)} | {meaning(field)} |"


def failures(root: type[errors.ServiceError]) -> Iterator[type[errors.ServiceError]]:
    yield root
    for child in root.__subclasses__():
        yield from failures(child)


def value(named: Named, field: str) -> str:
    """Of a field of a recipe, and what it is for the networks for which it differs."""
    said = [str(getattr(named.recipe, field))]
    if field in named.deep:
        said.append(f"{named.deep[field]} from {DEEP} layers on")
    if field in named.unnormalised:
        said.append(f"{named.unnormalised[field]} without batch normalisation")
    return "; ".join(said)


def ending(preset: Preset) -> str:
    """What is measured when the networks are trained."""
    if preset.afterwards is None:
        return f"`{preset.protocol}`"
    what = {"ensemble": "the ensemble of all", "analysis": "layer responses of each"}
    return f"{what[preset.afterwards.kind]}, `{preset.afterwards.protocol}`"


def bodies() -> Iterator[str]:
    """Of `POST /jobs`, by kind."""
    yield "\n## A training job: the body of `POST /jobs`\n"
    yield from fields(TrainSpec)
    yield "\n### `checkpoint_every`\n\nOne of the two.\n"
    yield from fields(CheckpointEvery)
    yield "\n### `recipe`\n\nA name, or an object of these fields.\n"
    yield from fields(RecipeFields)
    yield "\n## An evaluation: the body of `POST /jobs` with `kind`\n"
    yield from fields(EvaluateSpec)
    yield "\n### `ensemble`\n\nA list of these.\n"
    yield from fields(ModelRef)
    yield "\n## A batch prediction: the body of `POST /jobs` with `kind`\n"
    yield from fields(PredictSpec)
    yield "\n## A sweep: the body of `POST /jobs` with `kind`\n"
    yield "Besides these, every field of a training that all its trials share.\n"
    yield from fields(SweepSpec, but=TrainFields)
    yield "\n### `search`\n\nA name, or an object of these fields.\n"
    yield from fields(Search)
    yield "\n### A range in `space`\n\nInstead of a list of values.\n"
    yield from fields(Range)
    yield "\n## Presets\n\nTables and figures of the paper, each as one sweep: `preset`.\n"
    yield "| name | trainings | data, recipe | ends with | what |\n|---|---|---|---|---|"
    for preset in PRESETS.values():
        yield (
            f"| `{preset.name}` | {len(preset.points)} | `{preset.dataset}`, `{preset.recipe}` "
            f"| {ending(preset)} | {preset.reproduces}: {preset.title} |"
        )


def page() -> Iterator[str]:
    yield "# Reference\n\nWritten by `make docs` from the code; a test keeps it so."
    yield (
        "\n## Settings\n\nEach is an option of `residual up` or an environment variable. With `_FILE` after "
        "its name the variable\nis the path of a file that holds the value, as secrets do in containers: "
        "`RESIDUAL_API_KEY_FILE=/secrets/api/key`.\n"
    )
    yield from fields(Settings, prefix="RESIDUAL_")
    yield "\n### Options in `RESIDUAL_STORAGE_URL`\n\nAs `s3://bucket/prefix?addressing=virtual&sse=AES256`.\n"
    yield from fields(Options)
    yield from bodies()
    yield "\n## Recipes\n"
    yield "| field | " + " | ".join(f"`{name}`" for name in RECIPES) + " |"
    yield "|---|" + "---|" * len(RECIPES)
    for field in next(iter(RECIPES.values())).recipe.model_dump(exclude={"name"}):
        row = (value(named, field) for named in RECIPES.values())
        yield f"| `{field}` | " + " | ".join(row) + " |"
    lengths = [named.length for named in RECIPES.values()]
    said = (f"{n.iterations} iterations" if n.iterations else f"{n.epochs} epochs" for n in lengths)
    yield "| length | " + " | ".join(said) + " |"
    yield "| `batch_size` | " + " | ".join(str(n.batch_size) for n in lengths) + " |"
    yield "\n## Networks\n\nAt the paper's input size, with 1000 classes (ImageNet) or 10 (CIFAR).\n"
    yield "| name | family | shortcut | parameters | multiply-adds |\n|---|---|---|---|---|"
    for name, arch in catalogue().items():
        classes = 1000 if arch.input_size == 224 else 10
        count, work = parameters(arch, classes), multiply_adds(arch, classes, arch.input_size)
        yield f"| `{name}` | {arch.family} | {arch.shortcut or '–'} | {count:,} | {work:.3g} |"
    yield "\n## Data sets\n"
    yield "| name | images (train / val) | classes | source | licence | what |\n|---|---|---|---|---|---|"
    for info in DATASETS.values():
        images = f"{info.train_images:,} / {info.val_images:,}"
        yield (
            f"| `{info.name}` | {images} | {len(info.classes)} | {info.source} | {info.licence} "
            f"| {info.description} |"
        )
    yield "\n## Errors\n\n`application/problem+json`, as RFC 9457 says.\n"
    yield "| status | `code` | title |\n|---|---|---|"
    for failure in failures(errors.ServiceError):
        yield f"| {failure.status} | `{failure.code}` | {failure.title} |"
    yield "\n## Reasons\n\nWhy a job is where it is (`reason.code`), and what can be done about it.\n"
    yield "| code | tried again | remedy |\n|---|---|---|"
    for code, remedy in REMEDIES.items():
        yield f"| `{code}` | {_again(code)} | {remedy} |"


def _again(code: Code) -> str:
    if code in FREE:
        return "at no cost"
    return "costs a retry" if code in RETRIED else ""


if __name__ == "__main__":
    text = "\n".join(page()) + "\n"
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE} ({len(text.splitlines())} lines)\n")
