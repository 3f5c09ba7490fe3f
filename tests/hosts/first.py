"""The first process of a host: `python first.py NAME FOLDER`. It gives the host a name and files of its own,
says so, and then only reaps what nobody waits for. Its end is the end of all processes of the host."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path


def main(name: str, folder: Path) -> None:
    """Of all that lies in /tmp, the host sees nothing but `folder`, at the same path as we do."""
    socket.sethostname(name)
    # As Debian writes it. Whoever takes the address of its own name for the way to others fails.
    hosts = folder / "etc-hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
    _mount("--bind", str(hosts), "/etc/hosts")
    os.chdir(folder)  # where `.` leads when the path to it is hidden
    _mount("-t", "tmpfs", "tmpfs", "/tmp")
    _mount("-t", "tmpfs", "-o", "size=1g", "tmpfs", "/dev/shm")
    folder.mkdir(parents=True)
    _mount("--no-canonicalize", "--bind", ".", str(folder))
    os.chdir("/tmp")
    os.umask(0o022)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        signal.sigwait({signal.SIGCHLD})
        _reap()


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _reap() -> None:
    """All that has ended by now: one signal may stand for several."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    main(sys.argv[1], Path(sys.argv[2]))
