"""A PostgreSQL server of our own on a socket in its folder: it can be killed and started again."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import psutil
from sqlalchemy.exc import OperationalError

from service.db.engine import connect

START_TIMEOUT_S = 30


@dataclass
class PostgresServer:
    """Not running until `start`. `folder`: a short path, for its socket; made for it alone."""

    programs: Path
    folder: Path
    owner: str
    """Who runs it; `unprivileged` names one."""
    address: str | None = None
    """Where other machines reach it; None: nowhere but at its socket."""
    within: tuple[str, ...] = ()
    """What its commands are run by, on a host of its own, and then as its owner."""
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{self.owner}@/postgres?host={self.folder}"

    @property
    def url_elsewhere(self) -> str:
        """Of a program on another machine."""
        return f"postgresql+psycopg://{self.owner}@{self.address}/postgres"

    @property
    def _user(self) -> str | None:
        return self.owner if os.geteuid() == 0 and not self.within else None

    def make(self) -> None:
        """The files of an empty database."""
        shutil.chown(self.folder, self.owner)
        where: list[str | Path] = [
            "-D",
            self.folder / "data",
            "-U",
            self.owner,
            "-A",
            "trust",
            "-N",
        ]
        command = [*self.within, self.programs / "initdb", *where]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, user=self._user)
        if self.address:
            with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\n")

    def start(self) -> None:
        """Returns when it answers. Without fsync: what a killed process wrote, the system keeps."""
        options: list[str | Path] = ["-c", f"listen_addresses={self.address or ''}"]
        options += ["-c", "fsync=off"]
        options += ["-k", self.folder, "-D", self.folder / "data"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.within, self.programs / "postgres", *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self._user,
                start_new_session=True,
            )
        self._wait(self.process)

    def stop(self) -> None:
        """In order: it ends its clients' connections."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(START_TIMEOUT_S)

    def kill(self) -> None:
        """The server and all that serve its clients, at once."""
        if self.process is None or self.process.poll() is not None:
            return
        serving = psutil.Process(self.process.pid).children(recursive=True)
        for each in serving:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()  # each is of a session of its own
        self.process.kill()
        self.process.wait()
        psutil.wait_procs(serving, timeout=START_TIMEOUT_S)

    def _wait(self, server: "subprocess.Popen[bytes]") -> None:
        probe, deadline = connect(self.url), monotonic() + START_TIMEOUT_S
        while True:
            try:
                with probe.connect():
                    break
            except OperationalError as error:
                if server.poll() is not None or monotonic() > deadline:
                    said = (self.folder / "log").read_text()[-2000:]
                    raise RuntimeError(f"PostgreSQL does not start:\n{said}") from error
        probe.dispose()


def installed() -> Path | None:
    """The folder of the newest installed PostgreSQL's programs."""
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    there = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return there[-1].parent if there else None


def unprivileged() -> str:
    """Who runs the server: it refuses to be root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
