"""Tests talk to loopback only: any other connection or look-up made by this process is refused, and fails the test."""

import ipaddress
import sys
from typing import Any

_LOCAL_NAMES = {"", "localhost", "localhost.localdomain", "ip6-localhost"}


def is_local(host: object) -> bool:
    """Whether an address or name stays on this machine."""
    if host is None:
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return text in _LOCAL_NAMES or text.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple) and address and not is_local(address[0]):
            raise RuntimeError("a test tried to leave this machine; swap in a connector that records instead")
    elif event == "socket.getaddrinfo" and not is_local(arguments[0]):
        raise RuntimeError("a test tried to look up a name outside this machine")


def pytest_configure() -> None:
    """Audit hooks cannot be taken away again, which suits."""
    if not getattr(sys, "_admit_loopback_only", False):
        sys.addaudithook(_watch)
        sys._admit_loopback_only = True  # type: ignore[attr-defined]  # once a process, whatever reloads this module
