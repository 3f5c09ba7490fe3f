"""Workers on several machines find one another, wherever their machines' names lead."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.hosts.network import ROOT, network, unable

pytestmark = pytest.mark.skipif(unable() is not None, reason=str(unable()))

WORKER = """
import datetime, os, psutil, sys, torch, torch.distributed as dist
from trainer.training import interface
rank, first, own = sys.argv[1:]
interface.choose(own, psutil.net_if_addrs(), os.environ)
url, wait = f"tcp://{first}:29500", datetime.timedelta(seconds=60)
dist.init_process_group("gloo", init_method=url, rank=int(rank), world_size=2, timeout=wait)
sums = torch.ones(1)
dist.all_reduce(sums)
print(sums.item())
dist.destroy_process_group()
"""


def test_two_hosts_whose_own_names_mean_loopback_add_their_sums() -> None:
    folder = Path(tempfile.mkdtemp(prefix="hosts-"))
    env = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "PYTHONPATH": str(ROOT)}
    try:
        with network(folder) as lan:
            hosts = [lan.add("one"), lan.add("two")]
            assert hosts[0].run("getent", "hosts", "one").startswith("127.0.1.1")
            workers = []
            for rank, host in enumerate(hosts):
                told = (str(rank), hosts[0].address, host.address)
                with (host.folder / "log").open("wb") as log:
                    command = (sys.executable, "-c", WORKER, *told)
                    workers.append(host.start(*command, env=env, log=log))
            ends = [worker.wait(120) for worker in workers]
            said = [(host.folder / "log").read_text() for host in hosts]
            assert ends == [0, 0], said
            assert [log.splitlines()[-1] for log in said] == ["2.0", "2.0"]
    finally:
        shutil.rmtree(folder)
