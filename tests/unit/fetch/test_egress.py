"""Which URLs and addresses may be dialled."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.errors import FetchError
from admit.fetch import egress

SPECIAL = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "3fff::1",
    "::7f00:1",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "172.15.255.255",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "2a00::1",
]


@pytest.mark.threat("INF-ssrf", off="admit.fetch.egress:check_addresses")
@pytest.mark.parametrize("address", SPECIAL)
def test_a_name_that_stands_for_a_special_address_is_refused(address: str) -> None:
    with pytest.raises(FetchError) as refusal:
        egress.check_addresses([address])
    assert refusal.value.detail == egress.REFUSED


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_dialled(address: str) -> None:
    assert egress.check_addresses([address]) == [address]


@pytest.mark.threat("INF-ssrf", off="admit.fetch.egress:check_addresses")
@pytest.mark.parametrize("addresses", [["8.8.8.8", "127.0.0.1"], ["::1", "2a00::1"], [], ["not an address"]])
def test_one_bad_address_condemns_the_name(addresses: list[str]) -> None:
    with pytest.raises(FetchError):
        egress.check_addresses(addresses)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_alike_when_mapped_into_ipv6(number: int) -> None:
    plain = ip_address(number)
    assert egress.is_special(plain) == egress.is_special(ip_address(f"::ffff:{plain}"))


@pytest.mark.threat("INF-ssrf", off="admit.fetch.egress:check_url")
@pytest.mark.threat("O-7", off="admit.fetch.egress:check_url")
@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://127.0.0.1/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https://",
        "https://user@example.com/",
        "https://a:b@example.com/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com/ x",
        "https://example.com/\r\nhost: a",
        "https://example.com\\@127.0.0.1/",
        "https://exämple.com/",
        "https://exa%6dple.com/",
        "https://example.com/#part",
        "https://[::1/",
        "//example.com/",
        "example.com",
        "",
        "https://example.com/" + "a" * 3000,
    ],
)
def test_a_url_that_is_no_plain_https_url_is_refused_in_the_same_words(url: str) -> None:
    with pytest.raises(FetchError) as refusal:
        egress.check_url(url)
    assert refusal.value.detail == egress.REFUSED


def test_an_https_url_is_taken_apart() -> None:
    target = egress.check_url("https://Example.com:8443/a/b?c=d")
    assert (target.host, target.port, target.path) == ("example.com", 8443, "/a/b?c=d")
    assert (target.origin, target.trusted) == ("https://example.com:8443", False)


@pytest.mark.parametrize(
    "url", ["http://localhost:8410", "http://127.0.0.1:8410", "http://[::1]:8410", "http://a.localhost"]
)
def test_plain_http_is_taken_on_a_named_loopback_origin(url: str) -> None:
    assert egress.check_url(url + "/x", frozenset({egress.origin_of(url)})).trusted


@pytest.mark.parametrize("url", ["http://id.example.com", "http://10.0.0.1", "http://localhost.example.com"])
def test_plain_http_elsewhere_is_refused_even_when_named(url: str) -> None:
    with pytest.raises(FetchError):
        egress.check_url(url + "/x", frozenset({egress.origin_of(url)}))


def test_another_port_of_a_named_origin_is_not_named() -> None:
    with pytest.raises(FetchError):
        egress.check_url("http://localhost:9/", frozenset({"http://localhost:8410"}))
