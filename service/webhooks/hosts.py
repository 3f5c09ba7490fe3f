"""Where webhooks may lead: to the hosts that the administrator lists, and nowhere else."""

from dataclasses import dataclass
from ipaddress import ip_address

import httpx

from service.errors import Invalid

PORTS = {"https": 443, "http": 80}

Host = tuple[str, int | None]
"""A name or address, and the one port that is meant; None: all of them."""


@dataclass(frozen=True)
class AllowedHosts:
    hosts: frozenset[Host] = frozenset()

    def check(self, url: str) -> None:
        """Raises Invalid, with a sentence that says what is wrong with it."""
        try:
            where = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise Invalid(f"That is no URL: {error}", field="url") from error
        if where.scheme not in PORTS or not where.host:
            raise _refused("Send a whole URL, as https://example.com/hook")
        if where.userinfo:
            raise _refused("Leave name and password out; the signature says who sends")
        host, port = _name(where), where.port or PORTS[where.scheme]
        if not {(host, port), (host, None)} & self.hosts:
            raise _refused(
                f"Webhooks to {host}:{port} are not allowed; the administrator allows them with "
                f"RESIDUAL_WEBHOOK_HOSTS={host}:{port}"
            )
        if where.scheme == "http" and not _is_this_machine(host):
            raise _refused("Use https; only a receiver on this machine may go without")


def parse(setting: str) -> AllowedHosts:
    """From `host` or `host:port`, separated by commas. Raises ValueError."""
    entries = [entry.strip() for entry in setting.split(",")]
    return AllowedHosts(frozenset(_host(entry) for entry in entries if entry))


def _host(entry: str) -> Host:
    try:
        found = httpx.URL(f"//{entry}")
    except httpx.InvalidURL:
        found = httpx.URL("//")
    name = _name(found)
    if not name or set("%*") & set(name) or found.userinfo or found.raw_path != b"/":
        raise ValueError(
            f"RESIDUAL_WEBHOOK_HOSTS: '{entry}' is neither a host nor host:port; "
            "write for example hooks.example.com,127.0.0.1:9000"
        )
    return name, found.port


def _name(url: httpx.URL) -> str:
    """In the form that is asked of the name service: lower case, ASCII, without a last dot."""
    return url.raw_host.decode().rstrip(".")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(why: str) -> Invalid:
    return Invalid(why, field="url")
