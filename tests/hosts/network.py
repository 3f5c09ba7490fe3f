"""Several hosts on one switch, for tests of what happens between machines: cut off, parted, killed, added.

All of it is namespaces that live as long as a process of ours does: whatever happens, nothing is left.
"""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.hosts.host import TOGETHER, Host, boot, ip, told

PROGRAMS = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux", "mount": "mount"}
"""What is needed → Debian's package of it."""
SWITCH = "ip link add lan type bridge && ip link set lan up && echo ready && exec sleep inf"
TRY = "ip link add lan type bridge && ip link add one type veth peer name other"
NOBODY = "02:00:00:00:00:00"
"""A network card that nobody has: what is sent to it is lost without a word."""
ROOT = Path(__file__).parents[2]


@cache
def unable() -> str | None:
    """Why no hosts can be made here; None: they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "hosts are made of namespaces, by root of a Linux"
    if missing := [package for name, package in PROGRAMS.items() if not shutil.which(name)]:
        return f"hosts need Debian's {', '.join(missing)}"
    if any(Path("/tmp") in (path, *path.parents) for path in (ROOT, Path(sys.prefix).resolve())):
        return "hosts have a /tmp of their own, and would not see this checkout in it"
    unshare = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "sh", "-c", TRY]
    tried = subprocess.run(unshare, capture_output=True, text=True, check=False)
    return f"no namespaces: {tried.stderr.strip()}" if tried.returncode else None


@dataclass
class Network:
    """A switch, a cable to whoever runs the tests, and hosts."""

    folder: Path
    """Hosts have folders below it."""
    prefix: str
    """The first three numbers of all addresses."""
    switch: "subprocess.Popen[str]" = field(repr=False)
    hosts: dict[str, Host] = field(default_factory=dict)
    """By name: those that run."""
    _numbers: dict[str, int] = field(default_factory=dict)
    """By name: the last number of a host's address, which it keeps."""
    _cables: int = 0

    def add(self, name: str) -> Host:
        """A host that runs, with the address and the disk that it had before, if it was there before."""
        number = self._numbers.setdefault(name, len(self._numbers) + 2)
        self._cables += 1
        address, port = f"{self.prefix}.{number}", f"port{self._cables}"
        host = boot(name, address, self.folder / name, port)
        peer = ("type", "veth", "peer", "name", "eth0", "netns", str(host.pid))
        ip(self.switch.pid, "link", "add", port, *peer)
        ip(self.switch.pid, "link", "set", port, "master", "lan", "up")
        ip(host.pid, "link", "set", "lo", "up")
        # A card of its own number, so that the others find it again after it was started anew.
        ip(host.pid, "link", "set", "eth0", "address", f"02:00:00:00:01:{number:02x}", "up")
        ip(host.pid, "addr", "add", f"{address}/24", "dev", "eth0")
        self.hosts[name] = host
        return host

    def cut(self, host: Host) -> None:
        """Pull its cable: it hears nobody, and nobody hears it."""
        ip(self.switch.pid, "link", "set", host.port, "down")

    def heal(self, host: Host) -> None:
        """Plug its cable in again."""
        ip(self.switch.pid, "link", "set", host.port, "up")

    def part(self, one: Host, other: Host) -> None:
        """What the two send to one another is lost; all others hear both."""
        for here, there in ((one, other), (other, one)):
            lost = (there.address, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
            ip(here.pid, "neigh", "replace", *lost)

    def join(self, one: Host, other: Host) -> None:
        """Undo `part`."""
        for here, there in ((one, other), (other, one)):
            ip(here.pid, "neigh", "del", there.address, "dev", "eth0")

    def kill(self, host: Host) -> None:
        """As when its power goes: it falls silent in the middle of a word."""
        self.cut(host)
        host.kill()
        del self.hosts[host.name]

    @property
    def cable(self) -> str:
        """Our own end of the cable to the switch."""
        return f"res{self.prefix.rpartition('.')[2]}"

    def end(self) -> None:
        """The system would remove the cable by itself, a moment later."""
        for host in list(self.hosts.values()):
            host.kill()
        subprocess.run(["ip", "link", "del", self.cable], capture_output=True, check=False)
        self.switch.kill()
        self.switch.wait()


@contextmanager
def network(folder: Path) -> Iterator[Network]:
    """A network without hosts. Whoever runs the tests has the address .1 in it."""
    made = Network(folder, _prefix(), _switch())
    try:
        peer = ("type", "veth", "peer", "name", "outside", "netns", str(made.switch.pid))
        told(["ip", "link", "add", made.cable, *peer])
        told(["ip", "addr", "add", f"{made.prefix}.1/24", "dev", made.cable])
        told(["ip", "link", "set", made.cable, "up"])
        ip(made.switch.pid, "link", "set", "outside", "master", "lan", "up")
        yield made
    finally:
        made.end()


def _switch() -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [*TOGETHER, "unshare", "--net", "sh", "-c", SWITCH],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if process.stdout is None or process.stdout.readline() != "ready\n":
        process.kill()
        raise RuntimeError("the switch did not start")
    return process


def _prefix() -> str:
    """Of a network that nobody uses here: 198.18.0.0/15 is for tests between machines (RFC 2544)."""
    used = subprocess.run(["ip", "addr"], capture_output=True, text=True, check=True).stdout
    free = [number for number in range(256) if f"198.18.{number}." not in used]
    return f"198.18.{secrets.choice(free)}"
