"""`python -m trainer.verify --kills N --seed S < spec.json`: what `residual verify-resume` runs.

Reads a training as `POST /jobs` takes it; says on standard error how far it is, and prints a `Verdict`.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from trainer.contract.datasets import DATASETS
from trainer.contract.resolve import resolve
from trainer.contract.spec import TrainSpec
from trainer.contract.suits import Unresolvable
from trainer.verify.team import Failed
from trainer.verify.verify import verify


def main() -> None:
    """Exit status 0: there is a verdict, whatever it is."""
    parser = argparse.ArgumentParser(prog="python -m trainer.verify")
    parser.add_argument("--kills", required=True, type=int)
    parser.add_argument("--seed", required=True, type=int, help="of the kills")
    parser.add_argument("--quiet", action="store_true")
    given = parser.parse_args()

    def say(words: str) -> None:
        if not given.quiet:
            print(words, file=sys.stderr, flush=True)  # noqa: T201

    try:
        asked = TrainSpec.model_validate_json(sys.stdin.read())
        if asked.dataset not in DATASETS:
            sys.exit(f"there is no data set '{asked.dataset}'; there are {', '.join(DATASETS)}")
        spec = resolve(asked, DATASETS[asked.dataset], gpus=0)
        with TemporaryDirectory(prefix="residual-verify-") as folder:
            found = verify(spec, Path(folder), kills=given.kills, seed=given.seed, say=say)
    except ValidationError as error:
        first = error.errors()[0]
        sys.exit(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    except (Unresolvable, Failed, OSError) as error:
        sys.exit(str(error))
    sys.stdout.write(found.model_dump_json() + "\n")


if __name__ == "__main__":
    main()
