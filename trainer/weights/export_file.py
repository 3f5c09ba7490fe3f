"""`python -m trainer.weights.export_file --store URL --prefix PREFIX …`: what `residual export` runs.

Writes a model version to a file that was run again, and prints how near it came: one line of JSON.
"""

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import torch

from trainer.contract.manifest import Damaged
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import StoreError
from trainer.evaluation.version import Unfit, load
from trainer.weights.exporting import Unproved, export
from trainer.weights.formats import FORMATS
from trainer.weights.state_dicts import NotTorchvisions


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trainer.weights.export_file")
    parser.add_argument("--store", required=True, help="URL of the object store")
    parser.add_argument("--prefix", required=True, help="of the model version in it")
    parser.add_argument("--format", required=True, choices=FORMATS)
    parser.add_argument("--output", required=True, type=Path)
    given = parser.parse_args()
    store = open_store(given.store)
    try:
        with redirect_stdout(sys.stderr):  # torch's exporters talk
            version = load(store, given.prefix, device=torch.device("cpu"))
            proof = export(store, given.prefix, version, given.output, FORMATS[given.format])
    except (Unfit, Damaged, Unproved, NotTorchvisions, StoreError, OSError) as error:
        sys.exit(" ".join(str(error).split()))  # one line
    sys.stdout.write(json.dumps(proof._asdict()) + "\n")


if __name__ == "__main__":
    main()
