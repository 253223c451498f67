"""Which host of a URL that a client names is one, in the one way in which browsers write it. Pure."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_A_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
MAX_NAME: Final = 253


def is_host(host: str) -> bool:
    """Whether this is a name of letters, digits, hyphens and underscores, or an IP address without its brackets.

    RFC 3986 §3.2.2 allows a name more than that (`*`, `,`, `'`, `;`), which is no host of anybody's and means something
    in a header that it is put into, such as a Content-Security-Policy. What ends in a number is an address to browsers.
    """
    if ":" in host:
        try:
            return str(IPv6Address(host)) == host
        except AddressValueError:
            return False
    if len(host) > MAX_NAME or not _NAME.fullmatch(host):
        return False
    if not _A_NUMBER.fullmatch(host.rpartition(".")[2]):
        return True
    try:
        return str(IPv4Address(host)) == host
    except AddressValueError:
        return False
