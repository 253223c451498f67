"""What a request carries to say who it speaks for: exactly one of three values."""

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class BearerCredential:
    """A token, RFC 6750. `in_query`: it came in the URL, so the answer must say `no-store`. `in_cookie`: a browser may
    have attached it unasked, so the CSRF rule holds; its own octets derive the CSRF token.
    """

    token: str = field(repr=False)
    in_query: bool = False
    in_cookie: bool = False


@dataclass(frozen=True, slots=True)
class SessionCredential:
    """A session cookie. `id_hash`, SHA-256 of the 32 octets, finds the session; `raw` derives its CSRF token."""

    id_hash: bytes = field(repr=False)
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NoCredential:
    """The request carries none. One that is there but malformed is an error, never this."""


Credential: TypeAlias = BearerCredential | SessionCredential | NoCredential

NONE = NoCredential()
