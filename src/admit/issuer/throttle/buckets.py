"""Names of what is counted, one spelling for each thing."""

from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

UNKNOWN_NETWORK: Final = "unknown"
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1: the last 32 bits are an IPv4 address


# A sign-in asks six times about one address.
@lru_cache(maxsize=1_024)
def _address(ip: str | None) -> IPv4Address | IPv6Address | None:
    """The address that is meant: IPv4 written as IPv6 is that IPv4 address, and none is what is no address."""
    if ip is None:
        return None
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _cut(address: IPv6Address, bits: int) -> str:
    return f"{IPv6Address(int(address) >> 128 - bits << 128 - bits)}/{bits}"


def network(ip: str | None) -> str:
    """The network an address is counted under: an IPv4 address itself, an IPv6 address's /64.

    One household or server gets a whole /64, so counting single IPv6 addresses counts nothing. IPv4 written as IPv6
    (`::ffff:a.b.c.d`, `64:ff9b::a.b.c.d`) is that IPv4 address. What is no address shares one bucket: nobody gains by
    sending nonsense.
    """
    address = _address(ip)
    if address is None:
        return UNKNOWN_NETWORK
    return _cut(address, 64) if isinstance(address, IPv6Address) else str(address)


def prefix(ip: str | None) -> str | None:
    """The /48 of an IPv6 address, None for all else.

    Who rents a server can often have a /48, which is 65,536 networks: it has a budget of its own, wider than a
    network's. IPv4 has none: addresses side by side belong to strangers.
    """
    address = _address(ip)
    return _cut(address, 48) if isinstance(address, IPv6Address) else None


def queue_of(ip: str | None) -> str:
    """Who waits in one line where there is a queue: the widest network that may be one stranger's."""
    return prefix(ip) or network(ip)


def bucket(kind: str, *parts: str) -> str:
    """The name of a counter, `kind` and a hash of the parts: bounded, unambiguous, and no address book."""
    digest = sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return f"{kind}:{digest.hexdigest()[:32]}"
