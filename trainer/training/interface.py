"""Which network card workers talk through: that with the address by which Ray knows their machine.
`rendezvous` asks."""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Protocol

GLOO, NCCL = "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"


class Address(Protocol):
    """What is read of an address of a card."""

    @property
    def address(self) -> str: ...


def choose(
    address: str,
    cards: Mapping[str, Iterable[Address]],
    environment: MutableMapping[str, str],
) -> None:
    """Name the card to gloo and to NCCL, unless whoever started Ray here has named one. `cards`: as psutil
    lists them.

    By itself gloo looks up the machine's own name, which on Debian is 127.0.1.1, where no other machine
    finds it; NCCL takes the first card that it sees.
    """
    for name, addresses in cards.items():
        if address in (each.address.partition("%")[0] for each in addresses):
            environment.setdefault(GLOO, name)
            environment.setdefault(NCCL, f"={name}")  # exactly: `eth1` would mean `eth10` as well
            return
