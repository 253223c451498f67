"""Permissive twins of the defences of `admit.credentials`: how careless programs read the same headers."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any

from admit.credentials.cookies import SameSite
from admit.jose import base64url


def split_on_any_blank(value: bytes) -> str:
    """A `Bearer` and whatever follows, however it is spaced."""
    return value[6:].decode("latin-1").strip()


def last_header(values: Sequence[bytes]) -> bytes:
    """Of several headers the last."""
    return values[-1]


def python_strip(pair: bytes) -> bytes:
    """What `str.strip` calls blank: all that Unicode does."""
    return pair.decode("utf-8", "surrogateescape").strip().encode("utf-8", "surrogateescape")


def last_cookie(found: Iterable[bytes]) -> bytes | None:
    """Of several cookies of a name the last."""
    return (list(found) or [None])[-1]  # type: ignore[list-item]  # a list of nothing stands for none


def unquoted(content: bytes) -> bytes:
    """RFC 2109 quotes taken off."""
    return base64url.decode(content.strip(b'"'))


def any_size(octets: int) -> None:
    """Read on, however much there is."""


def any_origin(headers: Sequence[tuple[bytes, bytes]], origins: Collection[str]) -> None:
    """Whoever's page it was."""


def any_handshake(headers: Sequence[tuple[bytes, bytes]], *, origins: Collection[str], secure: bool) -> None:
    """Whoever's page opens it."""


def any_token(headers: Sequence[tuple[bytes, bytes]], raw_id: bytes, field: str | None = None) -> None:
    """With or without a CSRF token."""


def every_origin(origin: str, origins: Collection[str]) -> bool:
    """Reflect whatever asks."""
    return True


def bare_cookie(
    name: str,
    value: str,
    *,
    max_age: timedelta | None = None,
    path: str = "/",
    domain: str | None = None,
    same_site: SameSite = SameSite.LAX,
) -> str:
    """A cookie for every script, over every wire."""
    return f"{name}={value}"


def anywhere(url: str, waiver: object) -> str | None:
    query = url.partition("?")[2]
    return query.partition("=")[2] if query else None


TWINS: dict[str, Callable[..., Any]] = {
    "admit.credentials.authorization:check_syntax": split_on_any_blank,
    "admit.credentials.authorization:check_single": last_header,
    "admit.credentials.cookies:set_cookie": bare_cookie,
    "admit.credentials.cookies:trimmed": python_strip,
    "admit.credentials.cookies:only": last_cookie,
    "admit.credentials.cookies:decode_session_id": unquoted,
    "admit.credentials.cookies:check_header_size": any_size,
    "admit.credentials.request:from_query": anywhere,
    "admit.credentials.csrf:check_handshake": any_handshake,
    "admit.credentials.csrf:check_origin": any_origin,
    "admit.credentials.csrf:check_token": any_token,
    "admit.credentials.cors:is_registered": every_origin,
}
