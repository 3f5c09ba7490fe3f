"""Ports: free ones are free, and one that is taken is said clearly."""

from contextlib import closing

import pytest

from service.local.failure import CannotStart
from service.local.ports import free_ports, listen, url_of


def test_free_ports_are_all_different() -> None:
    assert len(set(free_ports(50))) == 50


def test_a_port_in_use_is_said_with_its_number_and_a_way_out() -> None:
    with closing(listen("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"port {port} .* in use .*--port"):
            listen("127.0.0.1", port)


def test_a_port_can_be_taken_again_at_once() -> None:
    first = listen("127.0.0.1", 0)
    port = first.getsockname()[1]
    first.close()
    listen("127.0.0.1", port).close()


@pytest.mark.parametrize("host", ["no such host", "192.0.2.77"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(CannotStart, match=host):
        listen(host, 0)


@pytest.mark.parametrize(
    ("host", "seen"), [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:")]
)
def test_the_url_leads_here_from_this_machine(host: str, seen: str) -> None:
    with closing(listen(host, 0)) as listener:
        assert url_of(listener) == f"{seen}{listener.getsockname()[1]}"
