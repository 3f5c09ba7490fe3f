"""A replica's own door, at which the service asks it past Ray Serve's proxy (ADR 30): how it is told,
and how to knock."""

from typing import NamedTuple

PORTS = range(21_000, 21_256)
"""A replica takes the first that is free on its node. Firewalls let the service through to them."""
HEADER = "x-residual-door"
"""Of a request by Serve's proxy: `WHERE`. Of its answer: the door, as `Door.said` writes it. Of a request
at the door: its key."""
WHERE = "?"
ADDRESS = "RESIDUAL_DOOR_HOST"
"""Variable of the environment of Ray's nodes: where their replicas' doors are, if not at the node's own
address. Empty: there are none."""


class Door(NamedTuple):
    """An address of one replica, and what opens it."""

    host: str
    """IPv4 or IPv6, of its node."""
    port: int
    key: str
    """Made by the replica when it starts: whatever listens there later answers no question meant for it."""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def said(self) -> str:
        return f"{self.host} {self.port} {self.key}"

    @classmethod
    def heard(cls, said: str) -> "Door":
        """What a replica `said`. Raises ValueError."""
        host, port, key = said.split(" ")
        return cls(host, int(port), key)
