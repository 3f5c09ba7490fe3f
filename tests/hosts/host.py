"""A host: a machine of its own as far as its processes can see, made of Linux's namespaces. It has an
address, a name, a /tmp and a /dev/shm that no other host sees. `network` makes them."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

FIRST = Path(__file__).with_name("first.py")
SEPARATE = ("--mount", "--uts", "--ipc", "--net", "--pid")
"""What a host does not share. The processors, and the files outside of /tmp, which are as those of machines
that the same programs were installed on."""
TOGETHER = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: it ends when the thread does that started it. So nothing of a host is ever left."""
ENDS_WITHIN_S = 30.0


@dataclass
class Host:
    """A running one."""

    name: str
    address: str
    folder: Path
    """The only one of ours that it sees, at the same path."""
    port: str
    """Its end of the cable at the switch."""
    boot: "subprocess.Popen[str]" = field(repr=False)
    pid: int
    """Of its first process, as we see it."""

    @property
    def within(self) -> tuple[str, ...]:
        """Words that run the command after them here. The program that they start first stays outside, and
        hands on how the command ended."""
        return ("nsenter", "--target", str(self.pid), *SEPARATE, "--wd", "--")

    def start(
        self, *command: str, env: dict[str, str], log: "IO[Any] | int" = subprocess.DEVNULL
    ) -> "subprocess.Popen[bytes]":
        """A process here, with nothing in its environment but `env`."""
        return subprocess.Popen(
            [*self.within, *command],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def run(self, *command: str) -> str:
        """What a command here writes. Fails when it does."""
        done = subprocess.run([*self.within, *command], check=True, capture_output=True, text=True)
        return done.stdout

    def processes(self) -> list[psutil.Process]:
        """All that live here, its first one too."""
        here = _namespace(self.pid)
        if here is None:
            return []
        return [each for each in psutil.process_iter() if _namespace(each.pid) == here]

    def kill(self) -> None:
        """Every process of it, at once. What is on its disk, `folder`, stays."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.boot.wait(ENDS_WITHIN_S)


def boot(name: str, address: str, folder: Path, port: str) -> Host:
    """A host without a network."""
    folder.mkdir(parents=True, exist_ok=True)
    unshare = ("unshare", *SEPARATE, "--fork", "--kill-child", "--mount-proc")
    with (folder / "boot.log").open("ab") as log:
        process = subprocess.Popen(
            [*TOGETHER, *unshare, sys.executable, "-S", str(FIRST), name, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    said = process.stdout.readline() if process.stdout else ""
    if said != "ready\n":
        process.kill()
        raise RuntimeError(f"host {name} did not start: {(folder / 'boot.log').read_text()}")
    (first,) = psutil.Process(process.pid).children()
    return Host(name, address, folder, port, process, first.pid)


def ip(pid: int, *words: str) -> None:
    """Change the network that process `pid` sees. Raises RuntimeError."""
    told(["nsenter", "--target", str(pid), "--net", "ip", *words])


def told(command: Sequence[str]) -> None:
    """Run a command that says nothing unless it fails. Raises RuntimeError."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def _namespace(pid: int) -> int | None:
    """Of its processes; None: it is gone."""
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return None
