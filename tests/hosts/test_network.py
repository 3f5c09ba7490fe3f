"""What the experiments on several hosts stand on: hosts share nothing, and can be parted and killed."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.hosts.host import Host
from tests.hosts.network import Network, network, unable
from tests.waiting import until

pytestmark = pytest.mark.skipif(unable() is not None, reason=str(unable()))


@pytest.fixture
def lan() -> Iterator[Network]:
    folder = Path(tempfile.mkdtemp(prefix="hosts-"))
    try:
        with network(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)


def hears(here: Host, there: Host) -> bool:
    """Whether a connection to a port where nobody listens is refused: then it was heard."""
    code = f"import socket; s = socket.socket(); s.settimeout(1); print(s.connect_ex(('{there.address}', 9)))"
    return here.run("python3", "-c", code).strip() == "111"


def test_hosts_share_no_files_no_names_and_no_processes(lan: Network) -> None:
    one, other = lan.add("one"), lan.add("other")
    one.run("sh", "-c", "echo mine > /tmp/mine && echo mine > /dev/shm/mine")
    assert other.run("ls", "/tmp", "/dev/shm").count("mine") == 0
    assert not (lan.folder / "other" / "mine").exists()
    (one.folder / "seen").write_text("by us too")
    assert one.run("cat", str(one.folder / "seen")) == "by us too"
    assert other.run("ls", str(lan.folder)).split() == ["other"]
    assert [one.run("hostname").strip(), other.run("hostname").strip()] == ["one", "other"]
    assert one.run("sh", "-c", "echo $$").strip() != "1"
    assert len(one.run("sh", "-c", "ls -d /proc/[1-9]*").split()) <= 3


def test_a_host_that_is_cut_off_hears_nobody_until_it_is_healed(lan: Network) -> None:
    one, other = lan.add("one"), lan.add("other")
    assert hears(one, other)
    lan.cut(other)
    assert not hears(one, other)
    assert not hears(other, one)
    lan.heal(other)
    until(lambda: hears(one, other), within_s=10)


def test_two_hosts_that_are_parted_still_hear_a_third(lan: Network) -> None:
    one, other, third = lan.add("one"), lan.add("other"), lan.add("third")
    assert hears(one, other)
    lan.part(one, other)
    assert not hears(one, other)
    assert not hears(other, one)
    assert hears(one, third)
    assert hears(third, other)
    lan.join(one, other)
    until(lambda: hears(one, other), within_s=10)


def test_of_a_killed_host_no_process_is_left_and_it_comes_back_with_its_address_and_disk(
    lan: Network,
) -> None:
    one, other = lan.add("one"), lan.add("other")
    (other.folder / "kept").write_text("kept")
    other.start("sh", "-c", "setsid sleep 1000 & sleep 1000", env={"PATH": "/usr/bin:/bin"})
    until(lambda: len(other.processes()) >= 3, within_s=10)
    there = other.processes()
    lan.kill(other)
    psutil.wait_procs(there, timeout=10)
    assert not [process for process in there if process.is_running()]
    again = lan.add("other")
    assert (again.address, (again.folder / "kept").read_text()) == (other.address, "kept")
    until(lambda: hears(one, again), within_s=10)


def test_nothing_of_a_network_is_left(lan: Network) -> None:
    with network(lan.folder / "more") as more:
        host = more.add("host")
        assert more.prefix in _addresses()
    assert more.prefix not in _addresses()
    assert not psutil.pid_exists(host.pid)


def _addresses() -> str:
    return subprocess.run(["ip", "addr"], capture_output=True, text=True, check=True).stdout
