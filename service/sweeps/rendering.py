"""Pictures of a sweep, drawn by a process of its own: matplotlib would stay in the service's for good, with a
third of its memory. Routes use `Renderer`; run as a module this is that process."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import BoundedSemaphore

from service.errors import Unavailable
from service.sweeps.measured import ReportInput
from service.sweeps.pictures import Picture, draw
from trainer.contract.serving import pack, unpack

AT_ONCE = 2
"""Drawing processes, of about 150 MB each; who asks meanwhile waits."""
WAITS_S = 60.0
"""For a turn, and as long again for the pictures: they take 2 s on an idle machine."""


@dataclass(frozen=True)
class Renderer:
    """What a sweep has measured → PNGs."""

    turns: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(AT_ONCE))

    def draw(self, given: ReportInput, names: Sequence[Picture]) -> list[bytes]:
        """One PNG a name, in their order. Raises Unavailable on a machine that has no time for it."""
        if not self.turns.acquire(timeout=WAITS_S):
            raise _busy()
        try:
            return unpack(_run(names, given.model_dump_json().encode()))
        finally:
            self.turns.release()


def _run(names: Sequence[Picture], given: bytes) -> bytes:
    command = [sys.executable, "-P", "-m", __name__, *names]  # -P: no code in the folder one is in
    try:
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            command, input=given, capture_output=True, timeout=WAITS_S, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise _busy() from error
    return done.stdout


def _busy() -> Unavailable:
    return Unavailable("The machine is too busy to draw pictures now; try again in a moment.")


def main() -> None:
    """Standard input is a `ReportInput` as JSON, standard output the pictures as `pack` joins them."""
    given = ReportInput.model_validate_json(sys.stdin.buffer.read())
    drawn = [draw(given, name) for name in sys.argv[1:]]  # type: ignore[arg-type]
    sys.stdout.buffer.write(pack(drawn))


if __name__ == "__main__":
    main()
