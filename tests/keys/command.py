"""The program `residual` as its user runs it. Used by the tests of `keys` and `webhooks`."""

import subprocess
from dataclasses import dataclass

from tests.api.conftest import KEY
from tests.local.running import RESIDUAL, environment


@dataclass(frozen=True)
class Command:
    """`residual` with the administrator's key for the service at `url`."""

    url: str

    def run(self, *words: str) -> list[str]:
        """The lines that it prints on standard output."""
        done = self._run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def failure(self, *words: str) -> str:
        """What it says instead."""
        done = self._run(*words)
        assert done.returncode == 1, done.stdout
        return done.stderr

    def _run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [RESIDUAL, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=environment(RESIDUAL_URL=self.url, RESIDUAL_API_KEY=KEY),
        )
