"""Names of what is counted, one spelling for each thing."""

from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Final

UNKNOWN_NETWORK: Final = "unknown"


def network(ip: str | None) -> str:
    """The network an address is counted under: an IPv4 address itself, an IPv6 address's /64.

    One household or server gets a whole /64, so counting single IPv6 addresses counts nothing. IPv4 written as IPv6
    (`::ffff:a.b.c.d`) is that IPv4 address. What is no address shares one bucket: nobody gains by sending nonsense.
    """
    if ip is None:
        return UNKNOWN_NETWORK
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return UNKNOWN_NETWORK
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


def bucket(kind: str, *parts: str) -> str:
    """The name of a counter, `kind` and a hash of the parts: bounded, unambiguous, and no address book."""
    digest = sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return f"{kind}:{digest.hexdigest()[:32]}"
