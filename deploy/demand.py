"""Tells Ray's autoscaler how large a cluster the line needs: what is in use, and what queued jobs ask for.
Jobs wait in the service's own line, where it sees none. Runs beside a cluster that has an autoscaler."""

import argparse
import json
import math
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EVERY_S = 5.0
TIMEOUT_S = 10

Bundle = dict[str, float]
"""Resources that one node has to have."""


def needed(cluster: Mapping[str, Any]) -> list[Bundle]:
    """From an answer of `GET /cluster`. In single units: how a job's workers share what it asks for is not
    said there, and Ray fits units to whatever nodes it can have."""
    used = [
        (node["cpus"]["total"] - node["cpus"]["free"], node["gpus"]["total"] - node["gpus"]["free"])
        for node in cluster["nodes"]
    ]
    asked = [(each["demand"]["cpus"], each["demand"]["gpus"]) for each in cluster["queue"]]
    return [bundle for cpus, gpus in used + asked for bundle in units(cpus, gpus)]


def units(cpus: float, gpus: float) -> list[Bundle]:
    """CPUs one by one, or each GPU with its share of them."""
    if gpus > 0:
        count = math.ceil(gpus)
        return [{"GPU": 1.0, "CPU": cpus / count} if cpus else {"GPU": 1.0}] * count
    return [{"CPU": 1.0}] * math.ceil(cpus)


def ask(api: str, key: str) -> Mapping[str, Any]:
    """Raises OSError when the service does not answer."""
    request = urllib.request.Request(  # noqa: S310 - the service's own address
        f"{api}/cluster", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        seen: Mapping[str, Any] = json.load(answer)
        return seen


def tell(gcs: str, bundles: list[Bundle]) -> None:
    """What was told before counts no more."""
    from ray.autoscaler.v2.sdk import request_cluster_resources

    request_cluster_resources(gcs, [{"resources": bundle} for bundle in bundles])


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", required=True, help="the service, as http://api:8080")
    parser.add_argument("--key", required=True, type=Path, help="the file that has its key")
    parser.add_argument("--gcs", required=True, help="Ray's head, as ray-head:6379")
    given = parser.parse_args(arguments)
    key = given.key.read_text().strip()
    said: list[Bundle] | None = None
    while True:
        try:
            bundles = needed(ask(given.api, key))
            tell(given.gcs, bundles)
            if bundles != said:
                print(f"needed: {len(bundles)} units", flush=True)  # noqa: T201
            said = bundles
        except Exception as error:  # noqa: BLE001 - either is away; it is asked again
            print(f"not told: {error!r}", flush=True)  # noqa: T201
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main(sys.argv[1:])
