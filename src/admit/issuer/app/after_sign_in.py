"""Where a sign-in leads when it was asked for by a page of our own: one of these, by name.

No address is taken from a request: whoever could choose one would send people from our page to theirs, right after they
typed their password (RFC 9700 §4.11).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

USUAL: Final = "/account"
PLACES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "password": "/account/password",
        "email": "/account/email",
        "second-factor": "/account/second-factor",
    }
)
"""Paths below the issuer, by the name that stands in `/login?next=`."""


def known(name: str | None) -> str:
    """`name` if it is one of ours, else ""."""
    return name if name is not None and name in PLACES else ""


def path_of(name: str | None) -> str:
    """The path to go on to. What is no name of ours is the account page."""
    return PLACES.get(name or "", USUAL)


def name_of(path: str) -> str:
    """The name of the place that a path below the issuer belongs to, "" for the account page."""
    return next((name for name, place in PLACES.items() if path == place or path.startswith(f"{place}/")), "")
