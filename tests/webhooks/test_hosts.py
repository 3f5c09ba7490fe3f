"""Where webhooks may lead."""

import pytest

from service.errors import Invalid
from service.webhooks import hosts

LISTED = "hooks.example.com, Other.example.com:8443,127.0.0.1:9000,localhost,[::1]:9000,10.0.0.7"


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/a?b=c",
        "https://HOOKS.example.com.:444/",
        "https://other.example.com:8443/",
        "http://127.0.0.1:9000/",
        "https://127.0.0.1:9000/",
        "http://localhost:1/",
        "http://[::1]:9000/",
        "https://10.0.0.7/",
    ],
)
def test_listed_hosts_are_allowed(url: str) -> None:
    hosts.parse(LISTED).check(url)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("https://example.com/", "RESIDUAL_WEBHOOK_HOSTS=example.com:443"),
        ("https://hooks.example.com.evil.org/", "not allowed"),
        ("https://hooks.example.com@evil.org/", "password"),
        ("https://evil.org\\@hooks.example.com/", "password"),
        ("https://name:word@hooks.example.com/", "password"),
        ("https://other.example.com/", "other.example.com:443 are not allowed"),
        ("http://127.0.0.1:9001/", "not allowed"),
        ("http://2130706433:9000/", "not allowed"),
        ("http://hooks.example.com/", "Use https"),
        ("http://10.0.0.7/", "Use https"),
        ("ftp://hooks.example.com/", "whole URL"),
        ("file:///etc/passwd", "whole URL"),
        ("hooks.example.com", "whole URL"),
        ("https://", "whole URL"),
        ("", "whole URL"),
        ("https://hooks.example.com:port/", "no URL"),
        ("https://hooks.example.com/\0", "no URL"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(url: str, hint: str) -> None:
    with pytest.raises(Invalid) as refusal:
        hosts.parse(LISTED).check(url)
    assert hint in refusal.value.message
    assert refusal.value.field == "url"


def test_nothing_is_allowed_by_default() -> None:
    for setting in ("", " , "):
        with pytest.raises(Invalid):
            hosts.parse(setting).check("https://localhost/")


@pytest.mark.parametrize(
    "entry", ["*.example.com", "https://example.com", "example.com/a", "a@b", "a b", "a:b", ":80"]
)
def test_a_setting_that_names_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="RESIDUAL_WEBHOOK_HOSTS"):
        hosts.parse(f"example.org,{entry}")
