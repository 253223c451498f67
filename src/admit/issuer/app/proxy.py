"""Who is behind the proxy: forwarding headers, believed from the peers that are named and from nobody else.

RFC 9700 §4.13. The issuer's own URL never comes from a header; these change the caller's address and the scheme only.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from admit.issuer.app.config import Network, ProxyConfig, networks

PEER: Final = "admit.peer"
"""Where the scope keeps the socket's own address, when the caller's was taken from a header."""


class Behind:
    """ASGI middleware: the scope's `client` and `scheme` are those that the first untrusted hop had."""

    def __init__(self, app: ASGIApp, config: ProxyConfig) -> None:
        self._app = app
        self._networks = networks(config.trusted)
        self._by_forwarded = config.header == "forwarded"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client")
        if scope["type"] == "http" and peer is not None and is_trusted(peer[0], self._networks):
            scope = {**scope, PEER: peer, **self._told(scope["headers"], peer[0])}
        await self._app(scope, receive, send)

    def _told(self, headers: Iterable[tuple[bytes, bytes]], peer: str) -> dict[str, Any]:
        hops = (
            forwarded_hops(values_of(headers, b"forwarded"))
            if self._by_forwarded
            else [(address, "") for address in x_forwarded_for(values_of(headers, b"x-forwarded-for"))]
        )
        place = nearest_untrusted([address for address, _ in hops], self._networks)
        told: dict[str, Any] = {}
        if place is not None:
            told["client"] = (hops[place][0] or peer, 0)
        scheme = hops[place][1] if place is not None and self._by_forwarded else ""
        if not self._by_forwarded:
            scheme = ",".join(values_of(headers, b"x-forwarded-proto")).rpartition(",")[2].strip().lower()
        if scheme in ("http", "https"):
            told["scheme"] = scheme
        return told


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Whether this peer was named as a proxy of ours. IPv4 written as IPv6 is that IPv4 address."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in trusted)


def nearest_untrusted(addresses: Sequence[str], trusted: Sequence[Network]) -> int | None:
    """Which hop the caller is: the right-most that is no proxy of ours. What is left of it anybody may have written.

    All of them trusted: the left-most. None: there are no hops.
    """
    for place in range(len(addresses) - 1, -1, -1):
        if not is_trusted(addresses[place], trusted):
            return place
    return 0 if addresses else None


def values_of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """All values of a header, in the order in which they came."""
    return [value.decode("latin-1") for key, value in headers if key == name]


def x_forwarded_for(values: Iterable[str]) -> list[str]:
    """The addresses of all `X-Forwarded-For` lines; "" for what is none."""
    return [plain_address(part) for part in ",".join(values).split(",")] if values else []


def forwarded_hops(values: Iterable[str]) -> list[tuple[str, str]]:
    """Address and scheme of each element of `Forwarded`, RFC 7239 §4; "" for what is unknown, hidden or malformed.

    Cut at every comma, since no address holds one: a quote that a stranger left open swallows no later element.
    """
    hops = []
    for element in ",".join(values).split(","):
        pairs = [pair.partition("=") for pair in element.split(";")]
        told = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        if element.strip():
            hops.append((plain_address(told.get("for", "")), told.get("proto", "").lower()))
    return hops


def plain_address(text: str) -> str:
    """An IP address as one would write it, its port taken off; "" for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if "%" in text:  # a zone may hold any text
        return ""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
