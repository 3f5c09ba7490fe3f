"""Podman and buildah with a storage of their own, which is removed at the end. Used by `python -m
tests.containers`."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CRUN = Path(__file__).parent / "files" / "crun"
NEEDED = (
    *("podman", "buildah", "crun", "debootstrap"),
    *("catatonit", "netavark", "aardvark-dns", "iptables"),
)
"""Debian's packages: they have the names of their programs."""
PROGRAMS = "/usr/lib/podman"
"""Where those are that only podman calls."""
CONFIGURATION = {
    "storage.conf": '[storage]\ndriver = "overlay"\ngraphroot = "{0}/g"\nrunroot = "{0}/r"\n',
    "containers.conf": '[engine]\nruntime = "crun"\n[engine.runtimes]\ncrun = ["{1}"]\n'
    '[network]\nnetwork_backend = "netavark"\n',
}


@dataclass(frozen=True)
class Engine:
    """Everything that it makes lies in `folder`, whose path is short."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "TMPDIR": str(self.folder / "tmp"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        return os.environ | own

    def prepare(self) -> None:
        """Raises RuntimeError when a program is missing."""
        path = f"{os.environ['PATH']}{os.pathsep}{PROGRAMS}"
        missing = [each for each in NEEDED if shutil.which(each, path=path) is None]
        if missing or os.geteuid() != 0:
            raise RuntimeError(f"needs root, and apt-get install {' '.join(missing or NEEDED)}")
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        for name, text in CONFIGURATION.items():
            (self.folder / name).write_text(text.format(self.folder, CRUN))

    def run(self, *words: str, timeout_s: float = 120, **settings: str) -> str:
        """What the command said. Raises subprocess.CalledProcessError."""
        done = subprocess.run(
            words,
            env=self.environment | settings,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if done.returncode != 0:
            sys.stderr.write(f"{' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}\n")
            done.check_returncode()
        return done.stdout.strip()

    def true(self, *words: str) -> bool:
        """Whether the command succeeds."""
        command = subprocess.run(words, env=self.environment, check=False, capture_output=True)
        return command.returncode == 0

    def has(self, image: str) -> bool:
        return self.true("podman", "image", "exists", image)

    def start_again(self, container: str) -> None:
        """If it was made, and has ended."""
        if self.true("podman", "container", "exists", container):
            state = self.run("podman", "inspect", "--format={{.State.Status}}", container)
            if state in ("exited", "stopped"):
                self.run("podman", "start", container)

    def remove(self) -> None:
        """Containers, images and the storage itself."""
        self.run("podman", "system", "reset", "--force", timeout_s=300)
        shutil.rmtree(self.folder, ignore_errors=True)
