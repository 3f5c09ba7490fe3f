"""Workers talk through the card by whose address Ray knows their machine."""

from dataclasses import dataclass

import pytest

from trainer.training.interface import GLOO, NCCL, choose


@dataclass(frozen=True)
class At:
    address: str


CARDS = {
    "lo": [At("127.0.0.1"), At("::1")],
    "docker0": [At("172.17.0.1")],
    "eth1": [At("02:00:00:00:01:02"), At("10.0.0.7"), At("fe80::1%eth1")],
}


@pytest.mark.parametrize(
    ("address", "card"), [("10.0.0.7", "eth1"), ("127.0.0.1", "lo"), ("fe80::1", "eth1")]
)
def test_the_card_with_rays_address_is_named_to_gloo_and_nccl(address: str, card: str) -> None:
    environment: dict[str, str] = {}
    choose(address, CARDS, environment)
    assert environment == {GLOO: card, NCCL: f"={card}"}


def test_what_the_machine_says_itself_stands() -> None:
    environment = {GLOO: "bond0", NCCL: "^docker"}
    choose("10.0.0.7", CARDS, environment)
    assert environment == {GLOO: "bond0", NCCL: "^docker"}


def test_an_address_that_no_card_has_changes_nothing() -> None:
    environment: dict[str, str] = {}
    choose("192.0.2.1", CARDS, environment)
    assert environment == {}
