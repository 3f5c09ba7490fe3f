"""How fast a deployed classifier answers, beside other ways of serving it: `python -m benchmarks.serving`.

One ResNet-18 at 224, one photograph, one run. In each round every server is started alone, warmed, asked by 1
and by 32 clients, and ended.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import sklearn

from benchmarks.machine import header
from benchmarks.serving_load import Load, Measured, run
from benchmarks.serving_ours import Ours, prepared, serving
from benchmarks.serving_targets import OTHERS, Asked, Bench, Missing

CLIENTS = (1, 32)
SLOW = 500
"""Clients who send a byte of their body a second."""
OVERLOAD = 1000
"""Clients, far more than two cores can answer: those that ask again a second after a refusal, whatever that
says, ask about ten times as often."""
NORMAL_WITHIN_S, AFTER_S = 5.0, 10.0
"""From when on those who ask after an overload are answered as if there had been none, and how long they are
measured."""
MEMORY_EVERY_S = 10.0
SERVE, SERVICE = "this, at Ray Serve's address", "this, `POST /predict`"
BARE = "bare ASGI, same engine"
AIMS: tuple[tuple[str, str, int, float], ...] = (
    ("default Ray Serve, @serve.batch, torch eager", "requests a second, at least", 32, 4.0),
    ("FastAPI, torch eager", "requests a second, at least", 32, 4.0),
    ("TorchServe, batches, torch eager", "requests a second, at least", 32, 4.0),
    ("LitServe, batches, torch eager", "requests a second, at least", 32, 3.0),
    (BARE, "requests a second, at least", 32, 0.9),
)
"""Requests a second of `SERVICE` over those of another, with so many clients."""
SLOWER_ALONE = 1.5
"""p50 of one client over that of the same engine on bare ASGI, at most."""

Found = dict[tuple[str, int], list[Measured]]


def round_of(ours: Ours, bench: Bench, names: set[str], seconds: float, found: Found) -> None:
    """Each server once, ours first."""
    with serving(ours) as addresses:
        for name, asked in ((SERVE, addresses.serve), (SERVICE, addresses.service)):
            measure(name, asked, seconds, found)
    for name, start in OTHERS.items():
        if name not in names:
            continue
        try:
            with start(bench) as asked:
                measure(name, asked, seconds, found)
        except Missing as why:
            names.discard(name)
            print(f"left out: {name}: {why}", flush=True)


def measure(name: str, asked: Asked, seconds: float, found: Found) -> None:
    for clients in CLIENTS:
        measured = run(Load(asked.url, str(asked.body), clients, seconds, asked.headers))
        found.setdefault((name, clients), []).append(measured)
        print(f"{name}, {clients}: {measured}", flush=True)


def table(found: Found) -> Iterator[str]:
    """Medians over the rounds, and our requests a second over each server's."""
    yield "| server | clients | requests/s | p50, ms | p99, ms | `POST /predict` : it |"
    yield "|---|---|---|---|---|---|"
    for (name, clients), rounds in found.items():
        rate = middle(rounds, lambda each: each.per_second)
        ratio = middle(found[SERVICE, clients], lambda each: each.per_second) / rate if rate else 0
        row = (f"{middle(rounds, of):.0f}" for of in (lambda m: m.p50_ms, lambda m: m.p99_ms))
        yield f"| {name} | {clients} | {rate:.1f} | {' | '.join(row)} | {ratio:.2f} |"


def verdicts(found: Found) -> Iterator[str]:
    for name, what, clients, aim in AIMS:
        if (name, clients) in found:
            ours, its = (
                middle(found[each, clients], lambda m: m.per_second) for each in (SERVICE, name)
            )
            met = "met" if its and ours / its >= aim else "not met"
            yield f"{name}: {what} {aim} times: {ours / its:.2f}, {met}"
    if (BARE, 1) in found:
        ours, its = (middle(found[each, 1], lambda m: m.p50_ms) for each in (SERVICE, BARE))
        met = "met" if ours / its <= SLOWER_ALONE else "not met"
        yield f"p50 of one client, at most {SLOWER_ALONE} times {BARE}: {ours / its:.2f}, {met}"
    for clients in CLIENTS:
        by = [middle(found[each, clients], lambda m: m.per_second) for each in (SERVE, SERVICE)]
        yield f"the service's own part with {clients} clients: {by[0] / by[1] - 1:+.1%} of Serve's rate"


def middle(rounds: list[Measured], of: Callable[[Measured], float]) -> float:
    return statistics.median(map(of, rounds))


def overloaded(ours: Ours, seconds: float) -> Iterator[str]:
    with serving(ours) as addresses:
        asking = {SERVICE: addresses.service, SERVE: addresses.serve}
        for (name, asked), heeds in product(asking.items(), (True, False)):
            memory = [addresses.memory()]
            load = replace(of(asked, OVERLOAD, seconds), heeds=heeds)
            ends_at = time.monotonic() + load.warm_s + load.seconds
            with ThreadPoolExecutor(1) as beside:
                measured = beside.submit(run, load)
                while (left := ends_at - time.monotonic()) > 0:
                    time.sleep(min(left, MEMORY_EVERY_S))
                    memory.append(addresses.memory())
                after = run(replace(of(asked, CLIENTS[-1], AFTER_S), warm_s=NORMAL_WITHIN_S))
            yield (
                f"{name}, {OVERLOAD} clients who {'heed' if heeds else 'ignore'} Retry-After: "
                f"{told(measured.result())}\n"
                f"  MB of service and replica, every {MEMORY_EVERY_S:.0f} s: "
                f"{'; '.join(f'{service:.0f}, {replica:.0f}' for service, replica in memory)}\n"
                f"  {CLIENTS[-1]} clients, from {NORMAL_WITHIN_S:.0f} s after it: {told(after)}"
            )


def slowed(ours: Ours, seconds: float) -> Iterator[str]:
    """What the others see of slow clients."""
    with serving(ours) as addresses:
        for name, asked in ((SERVICE, addresses.service), (SERVE, addresses.serve)):
            for slow in (0, SLOW):
                load = replace(of(asked, CLIENTS[-1], seconds), slow=slow)
                yield f"{name}, {load.clients} clients beside {slow} slow ones: {told(run(load))}"


def of(asked: Asked, clients: int, seconds: float) -> Load:
    return Load(asked.url, str(asked.body), clients, seconds, asked.headers, warm_s=8)


def told(measured: Measured) -> str:
    return (
        f"{measured.per_second:.1f} answers/s, p50 {measured.p50_ms:.0f} ms, p99 {measured.p99_ms:.0f} ms; "
        f"refusals' p50 {measured.refused_p50_ms:.0f} ms; statuses {measured.statuses}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--only", nargs="*", help="parts of names of the other servers")
    parser.add_argument("--overload-seconds", type=float, default=60, help="0 leaves it out")
    parser.add_argument("--slow-seconds", type=float, default=20, help="0 leaves it out")
    parser.add_argument("--folder", type=Path, help="kept, so that the next run installs nothing")
    asked = parser.parse_args()
    only = asked.only
    names = {n for n in OTHERS if only is None or any(part in n for part in only)}
    found: Found = {}
    with tempfile.TemporaryDirectory(prefix="residual-bench-") as temporary:
        folder = (asked.folder or Path(temporary)).absolute()
        folder.mkdir(exist_ok=True, parents=True)
        image = Path(sklearn.__file__).with_name("datasets") / "images" / "china.jpg"
        ours = prepared(folder, image)
        bench = Bench(ours.store, ours.prefix, folder, image)
        for _ in range(asked.rounds):
            round_of(ours, bench, names, asked.seconds, found)
        said = [*slowed(ours, asked.slow_seconds)] if asked.slow_seconds else []
        said += overloaded(ours, asked.overload_seconds) if asked.overload_seconds else ()
    print(f"\n{header()}; n = {asked.rounds} of {asked.seconds:.0f} s\n")
    if found:
        print("\n".join(table(found)), "\n")
        print("\n".join(verdicts(found)))
    print("\n".join(said))


if __name__ == "__main__":
    main()
