"""Forwarding headers: from whom they are believed, and which hop is the caller."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from admit.errors import ConfigError
from admit.issuer.app.config import ProxyConfig
from admit.issuer.app.proxy import PEER, Behind, forwarded_hops, plain_address, x_forwarded_for

pytestmark = pytest.mark.anyio

Seen = Callable[..., Awaitable[dict[str, Any]]]
PROXIES = ("10.0.0.0/8", "2001:db8:1::/48")


async def seen(config: ProxyConfig, peer: str | None, **headers: str | list[str]) -> dict[str, Any]:
    """The scope that the application is given."""
    got: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.update(scope)

    raw = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    scope = {
        "type": "http", "scheme": "http", "headers": raw, "client": (peer, 4_000) if peer is not None else None,
    }  # fmt: skip
    await Behind(app, config)(scope, None, None)  # type: ignore[arg-type]  # neither is used
    return got


async def client_of(peer: str, *, header: Any = "x-forwarded-for", **headers: Any) -> str:
    found = await seen(ProxyConfig(trusted=PROXIES, header=header), peer, **headers)
    return str(found["client"][0])


@pytest.mark.threat("9700-proxy", off="admit.issuer.app.proxy:is_trusted")
@pytest.mark.parametrize("peer", ["192.0.2.7", "11.0.0.1", "2001:db8:2::1", "::ffff:192.0.2.7", "testclient"])
async def test_what_a_peer_that_is_no_proxy_of_ours_writes_is_ignored(peer: str) -> None:
    headers = {"x_forwarded_for": "203.0.113.9", "forwarded": "for=203.0.113.9", "x_forwarded_proto": "https"}
    for header in ("x-forwarded-for", "forwarded"):
        found = await seen(ProxyConfig(trusted=PROXIES, header=header), peer, **headers)  # type: ignore[arg-type]  # one of two
        assert (found["client"], found["scheme"]) == ((peer, 4_000), "http")
        assert PEER not in found


async def test_a_proxy_of_ours_is_believed() -> None:
    found = await seen(
        ProxyConfig(trusted=PROXIES), "10.1.2.3", x_forwarded_for="203.0.113.9", x_forwarded_proto="https"
    )
    assert (found["client"], found["scheme"]) == (("203.0.113.9", 0), "https")
    assert found[PEER] == ("10.1.2.3", 4_000)
    assert await client_of("::ffff:10.1.2.3", x_forwarded_for="203.0.113.9") == "203.0.113.9"
    assert await client_of("2001:db8:1::5", x_forwarded_for="2001:DB8:2::9") == "2001:db8:2::9"


@pytest.mark.threat("9700-proxy", off="admit.issuer.app.proxy:nearest_untrusted")
@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "198.51.100.1, 203.0.113.9"},
        {"x_forwarded_for": "198.51.100.1, 203.0.113.9, 10.2.2.2"},
        {"x_forwarded_for": ["198.51.100.1", "203.0.113.9", "10.2.2.2"]},
        {"x_forwarded_for": "nonsense, 203.0.113.9:5150"},
        {
            "header": "forwarded",
            "forwarded": 'for=198.51.100.1, for="203.0.113.9:99";proto=https;by=10.1.1.1',
        },
        {"header": "forwarded", "forwarded": ['for="', "for=203.0.113.9, for=10.2.2.2"]},
    ],
)
async def test_the_caller_is_the_right_most_hop_that_is_not_ours(headers: dict[str, Any]) -> None:
    assert await client_of("10.1.2.3", **headers) == "203.0.113.9"


async def test_the_other_header_is_never_read() -> None:
    assert await client_of("10.1.2.3", forwarded="for=203.0.113.9") == "10.1.2.3"
    assert await client_of("10.1.2.3", header="forwarded", x_forwarded_for="203.0.113.9") == "10.1.2.3"


@pytest.mark.parametrize(
    "told", ["", "unknown", "_hidden", "203.0.113.999", "a" * 5_000, "203.0.113.9.example"]
)
async def test_a_hop_that_is_no_address_counts_as_the_proxy_that_told_it(told: str) -> None:
    assert await client_of("10.1.2.3", x_forwarded_for=told) == "10.1.2.3"
    assert await client_of("10.1.2.3", x_forwarded_for=f"203.0.113.9, {told}") == "10.1.2.3"
    assert await client_of("10.1.2.3", header="forwarded", forwarded=f"for={told}") == "10.1.2.3"


async def test_when_all_hops_are_ours_the_first_one_calls() -> None:
    assert await client_of("10.1.2.3", x_forwarded_for="10.9.9.9, 10.8.8.8") == "10.9.9.9"
    assert (await seen(ProxyConfig(trusted=PROXIES), None, x_forwarded_for="203.0.113.9"))["client"] is None


async def test_a_scheme_that_is_none_changes_nothing() -> None:
    for told in ("HTTPS", " https", "http, https"):
        found = await seen(ProxyConfig(trusted=PROXIES), "10.1.2.3", x_forwarded_proto=told)
        assert found["scheme"] == "https"
    for told in ("", "ftp", "https://", "https, javascript"):
        found = await seen(ProxyConfig(trusted=PROXIES), "10.1.2.3", x_forwarded_proto=told)
        assert found["scheme"] == "http"


@pytest.mark.rfc("7239", "4")
def test_forwarded_is_read_element_by_element() -> None:
    told = 'For="[2001:db8:cafe::17]:4711";proto=HTTP, for=192.0.2.60;by=203.0.113.43 , for=unknown'
    assert forwarded_hops([told]) == [("2001:db8:cafe::17", "http"), ("192.0.2.60", ""), ("", "")]
    assert forwarded_hops([]) == forwarded_hops([""]) == []
    assert x_forwarded_for([]) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"), (" 192.0.2.1:80 ", "192.0.2.1"), ("[2001:db8::1]:80", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1"), ("192.0.2", ""), ("", ""),
        ("0x7f.1", ""), ("127.1", ""), ("192.0.2.1/24", ""), ("[]", ""), ("::1%25lo", ""),
    ],
)  # fmt: skip
def test_an_address_is_one_or_nothing(text: str, address: str) -> None:
    assert plain_address(text) == address


@pytest.mark.threat("9700-proxy", off="admit.issuer.app.config:check_narrow")
@pytest.mark.parametrize("trusted", ["0.0.0.0/0", "128.0.0.0/1", "8.0.0.0/7", "::/0", "2000::/3"])
def test_a_part_of_the_internet_is_no_proxy(trusted: str) -> None:
    for narrow in ("10.0.0.0/8", "fc00::/7", "::1"):
        ProxyConfig(trusted=(narrow,))
    with pytest.raises(ConfigError, match=r"proxy\.trusted: .* is a part of the internet"):
        ProxyConfig(trusted=("127.0.0.1", trusted))


@pytest.mark.parametrize("trusted", ["proxy.example", "10.0.0.1/8", "10.0.0.0/33", ""])
def test_what_names_no_network_is_refused_at_the_start(trusted: str) -> None:
    with pytest.raises(ConfigError, match=r"proxy\.trusted"):
        ProxyConfig(trusted=(trusted,))
