"""`python -m trainer.weights.import_file --store URL --file PATH …`: what `residual import` runs.

Writes the network in a file into the object store as a checkpoint, and prints where: one line of JSON.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from trainer.contract import layout, manifest
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import AlreadyExists, NoSuchObject, ObjectStore, StoreError
from trainer.weights.asked import Asked, Channels
from trainer.weights.fitting import Misfit
from trainer.weights.importing import Model, as_model, write
from trainer.weights.layouts import LAYOUTS, NotRecognised
from trainer.weights.reading import Unreadable, read

IMAGENET = "imagenet"
"""Instead of a file of class names: torchvision's 1000."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trainer.weights.import_file")
    parser.add_argument("--store", required=True, help="URL of the object store")
    parser.add_argument("--file", required=True, type=Path)
    parser.add_argument("--layout", help=f"residual, {', '.join(LAYOUTS)}; found out by default")
    parser.add_argument("--classes", help=f"file of class names, one a line, or '{IMAGENET}'")
    parser.add_argument("--mean", type=_channels, help="RED,GREEN,BLUE in 0 … 1")
    parser.add_argument("--std", type=_channels, help="RED,GREEN,BLUE in 0 … 1")
    parser.add_argument(
        "--resize", type=int, help="shorter side in pixels before the centre is cut"
    )
    given = parser.parse_args()
    try:
        asked = Asked(
            layout=given.layout,
            class_names=_class_names(given.classes),
            mean=given.mean,
            std=given.std,
            resize=given.resize,
        )
        prefix = keep(open_store(given.store), as_model(read(given.file), asked))
    except (Unreadable, NotRecognised, Misfit, StoreError, ValueError, OSError) as error:
        sys.exit(" ".join(str(error).split()))  # one line
    sys.stdout.write(json.dumps({"prefix": prefix}) + "\n")


def keep(store: ObjectStore, model: Model) -> str:
    """Write a model as a checkpoint, unless it is there; its prefix."""
    prefix = layout.imported(model.digest)
    try:
        manifest.read(store, prefix)
    except NoSuchObject:
        with TemporaryDirectory(prefix="residual-") as folder:
            files = write(model, Path(folder))
            try:
                facts = model.meta.model_dump(mode="json")
                manifest.commit(store, prefix, files, facts, at=datetime.now(UTC))
            except AlreadyExists:  # another import of the same file was faster
                pass
    return prefix


def _channels(given: str) -> Channels:
    red, green, blue = map(float, given.split(","))
    return red, green, blue


def _class_names(given: str | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    if given == IMAGENET:
        from torchvision.models import ResNet18_Weights  # 2 s that the other imports need not wait

        return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
    try:
        lines = Path(given).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{given} is no text file of class names, one a line: {error}") from error
    return tuple(line.strip() for line in lines if line.strip())


if __name__ == "__main__":
    main()
