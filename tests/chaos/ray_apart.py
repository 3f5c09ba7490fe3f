"""A Ray that belongs to no service, so that services can be killed without it. Used by the experiments with
several services, and with something between a service and its Ray."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.local import ray_record
from service.local.instance import prepare
from service.local.processes import end_marked, mark_of
from service.local.ray_head import launch, token_of
from service.local.ray_serve import answers
from tests.waiting import until

ANSWERS_WITHIN_S = 120.0


@dataclass(frozen=True)
class RayApart:
    """A running one."""

    address: str
    """Of its dashboard."""
    serve_address: str
    token: str

    def settings(self, *, address: str | None = None) -> dict[str, str]:
        """What a service needs to use it, at another address than its own perhaps."""
        return {
            "RESIDUAL_RAY_ADDRESS": address or self.address,
            "RESIDUAL_RAY_TOKEN": self.token,
            "RESIDUAL_SERVE_ADDRESS": self.serve_address,
        }


@contextmanager
def ray_apart(folder: Path) -> Iterator[RayApart]:
    """A Ray that answers; all of it, and all that trains on it, is ended afterwards."""
    places = prepare(folder)
    process, record = launch(places, ray_record.new_ports())
    ray_record.save(places, record)
    token = token_of(places)
    try:
        until(lambda: answers(record.address, token), within_s=ANSWERS_WITHIN_S)
        yield RayApart(record.address, record.serve_address, token)
    finally:
        end_marked(mark_of(places.data_dir))
        process.wait()
        ray_record.forget(places)
