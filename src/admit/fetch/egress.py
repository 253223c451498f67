"""Which URL may be dialled, and which address behind its name. Pure: names are resolved elsewhere.

An outgoing URL is often somebody else's word (metadata, a client's registration). So it has to be https, and every
address that its name stands for has to be an ordinary public one. An operator opens the guard by naming an origin.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from admit.errors import FetchError

# Said for every refusal alike: the text must not tell a stranger which addresses exist inside.
REFUSED = "the egress guard refuses this address"
MAX_URL = 2048

# Special-purpose registries of IANA, RFC 6890, and what else carries no public service. Written out since
# `is_global` of the standard library changed its mind between patch releases.
_BLOCKED_V4 = tuple(
    IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Only 2000::/3 is handed out as global unicast; inside it these carry tunnels, documentation or other addresses.
_GLOBAL_V6 = IPv6Network("2000::/3")
_BLOCKED_V6 = tuple(
    IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
# fe80::/10 %scope and 64:ff9b::/96 (NAT64, which embeds any IPv4 address) lie outside 2000::/3 and so are refused.

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be dialled. `trusted` says that its origin was named, so its addresses are not judged."""

    scheme: str
    host: str
    port: int
    path: str
    trusted: bool

    @property
    def origin(self) -> str:
        """Scheme, host and port as RFC 6454 §6.2 writes them."""
        return _origin(self.scheme, self.host, self.port)


def _origin(scheme: str, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    standard = {"https": 443, "http": 80}.get(scheme)
    return f"{scheme}://{shown}" if port == standard else f"{scheme}://{shown}:{port}"


def _split(url: str) -> tuple[str, str, int, str]:
    if (
        len(url) > MAX_URL
        or not url.isascii()
        or any(char <= " " or char in '\\"<>^`{|}\x7f' for char in url)
    ):
        raise FetchError(REFUSED)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise FetchError(REFUSED) from None
    if parts.scheme not in ("https", "http") or not host or "@" in parts.netloc or "%" in host or "#" in url:
        raise FetchError(REFUSED)
    path = parts.path or "/"
    if parts.query:
        path = f"{path}?{parts.query}"
    # Zero is "any port" to a resolver, so it is no port here.
    if port == 0:
        raise FetchError(REFUSED)
    return parts.scheme, host.removesuffix("."), port or (443 if parts.scheme == "https" else 80), path


def origin_of(url: str) -> str:
    """The origin of an http or https URL. Raises FetchError where it is none."""
    scheme, host, port, _ = _split(url)
    return _origin(scheme, host, port)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name or literal, RFC 6761 §6.3."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in net for net in _LOOPBACK)


def check_url(url: str, allow: frozenset[str] = frozenset()) -> Target:
    """Judge a URL before anything is resolved.

    `allow` holds origins that the operator named. Plain http is taken only for a named origin on this very machine.
    Raises FetchError, in the same words for every reason.
    """
    scheme, host, port, path = _split(url)
    trusted = _origin(scheme, host, port) in allow
    if scheme != "https" and not (trusted and is_loopback(host)):
        raise FetchError(REFUSED)
    return Target(scheme, host, port, path, trusted)


def is_special(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is other than an ordinary public one, RFC 6890."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_special(address.ipv4_mapped)
        return address not in _GLOBAL_V6 or any(address in net for net in _BLOCKED_V6)
    return any(address in net for net in _BLOCKED_V4)


def check_addresses(addresses: Iterable[str]) -> list[str]:
    """What a name resolved to, if every one of them is public. Raises FetchError else.

    One bad address condemns the name: which of them is dialled must not be a matter of luck.
    """
    found = list(addresses)
    try:
        bad = not found or any(is_special(ip_address(address)) for address in found)
    except ValueError:
        bad = True
    if bad:
        raise FetchError(REFUSED)
    return found
