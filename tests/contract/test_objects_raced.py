"""Of several writers who create one object exactly one wins, and what is there is the winner's, whole."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from threading import Barrier

from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import AlreadyExists, ObjectStore

WRITERS = 8
REGISTERS = 100
LANES = 25
"""Registers that are raced for at one time: SeaweedFS lets the losers of each wait for seconds."""
TOGETHER_WITHIN_S = 60

Won = tuple[int, list[int]]
"""A writer, and registers."""


def body(writer: int) -> bytes:
    return bytes([writer]) * 10_000


def write(store: ObjectStore, folder: str, registers: range, writer: int, together: Barrier) -> Won:
    """What this writer won. All writers begin each register at the same time."""
    won = []
    for register in registers:
        together.wait(TOGETHER_WITHIN_S)
        try:
            store.create(f"{folder}/{register}", body(writer))
        except AlreadyExists:
            continue
        won.append(register)
    return writer, won


def write_in_a_process(url: str, writer: int, together: Barrier, won: "SimpleQueue[Won]") -> None:
    won.put(write(open_store(url), "registers", range(REGISTERS), writer, together))


def check(store: ObjectStore, folder: str, won: list[Won]) -> None:
    assert sorted(r for _, registers in won for r in registers) == list(range(REGISTERS))
    for writer, registers in won:
        for register in registers:
            assert store.get(f"{folder}/{register}") == body(writer)


def test_one_of_eight_threads_wins_each_register(store: ObjectStore, key: str) -> None:
    with ThreadPoolExecutor(WRITERS * LANES) as pool:
        begun = []
        for lane in range(LANES):
            together, registers = Barrier(WRITERS), range(lane, REGISTERS, LANES)
            begun += [
                pool.submit(write, store, key, registers, writer, together)
                for writer in range(WRITERS)
            ]
        won = [one.result() for one in begun]
    check(store, key, won)


def test_one_of_eight_processes_wins_each_register(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/objects"
    context = multiprocessing.get_context("forkserver")
    together, results = context.Barrier(WRITERS), context.SimpleQueue()
    processes = [
        context.Process(target=write_in_a_process, args=(url, writer, together, results))
        for writer in range(WRITERS)
    ]
    for process in processes:
        process.start()
    won = [results.get() for _ in processes]
    for process in processes:
        process.join()
    check(open_store(url), "registers", won)
