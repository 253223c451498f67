"""Cookies, read and written by the octet, RFC 6265 §4 and §5.4.

A parser that trims Unicode spaces, unquotes values or heeds `$Version` sees other cookies than the browser that held
them to their prefixes, and so lets a sibling host plant a `__Host-` cookie. Nothing of that is done here.
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import Enum
from typing import Literal
from urllib.parse import urlsplit

from admit.errors import ConfigError, MalformedTokenError, OversizedCredentialError, SessionError
from admit.jose import base64url

MAX_HEADER = 16_384
"""Octets of all `Cookie` headers of a request: four cookies of the largest size that browsers keep."""

SESSION_ID_OCTETS = 32
_SESSION_ID_LENGTH = 43
_BLANK = b" \t"
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_PATH = re.compile(r"/[\x21-\x3a\x3c-\x7e]*")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class CookieMode(Enum):
    """How far the session cookie reaches."""

    SAME_HOST = "same_host"
    COOKIE_DOMAIN = "cookie_domain"


class SameSite(Enum):
    """RFC 6265bis §5.6.7.1. `None` is not offered: a session cookie is never sent on cross-site requests."""

    LAX = "Lax"
    STRICT = "Strict"


def parse(values: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    """Name and value of each cookie, in order, from all `Cookie` field values, RFC 6265 §4.2.1.

    Only spaces and tabs around a pair go. The name is what stands before the first `=`, the value what follows,
    quotes included; a pair without `=` is a cookie without a name, and is passed over.

    Raises:
        OversizedCredentialError: more than 16 KiB.
    """
    pairs: list[tuple[bytes, bytes]] = []
    total = 0
    for value in values:
        total += len(value)
        check_header_size(total)
        for part in value.split(b";"):
            name, equals, content = trimmed(part).partition(b"=")
            if equals:
                pairs.append((name, content))
    return pairs


def check_header_size(octets: int) -> None:
    """Refuse to read on.

    Raises:
        OversizedCredentialError: more than 16 KiB.
    """
    if octets > MAX_HEADER:
        raise OversizedCredentialError("the Cookie header is too large")


def trimmed(pair: bytes) -> bytes:
    """A pair without the spaces and tabs around it. Other octets that some programs call blank are part of the name."""
    return pair.strip(_BLANK)


def one(pairs: Sequence[tuple[bytes, bytes]], name: str) -> bytes | None:
    """The value of the cookie of exactly this name; None where there is none.

    Raises:
        SessionError: several of the name; one of them may have been planted, so none is taken.
    """
    wanted = name.encode("ascii")
    return only(content for found, content in pairs if found == wanted)


def only(found: Iterable[bytes]) -> bytes | None:
    """The one value there is, or None.

    Raises:
        SessionError: there are several, equal or not.
    """
    values = list(found)
    if len(values) > 1:
        raise SessionError("the cookie is there twice")
    return values[0] if values else None


def session_id(values: Iterable[bytes], name: str) -> bytes | None:
    """The 32 octets of the session cookie of this name; None where there is no such cookie.

    Raises:
        SessionError: the cookie is doubled or no session id in its one spelling.
        OversizedCredentialError: more than 16 KiB of cookies.
    """
    content = one(parse(values), name)
    return None if content is None else decode_session_id(content)


def decode_session_id(content: bytes) -> bytes:
    """A cookie's value to the 32 octets that it is the one base64url spelling of.

    Raises:
        SessionError: anything else.
    """
    if len(content) == _SESSION_ID_LENGTH:
        try:
            return base64url.decode(content)
        except MalformedTokenError:
            pass
    raise SessionError("the cookie holds no session id")


def id_hash(raw: bytes) -> bytes:
    """SHA-256 of the 32 octets: what is stored, looked up and sent to `/session/lookup`; the octets never are."""
    return hashlib.sha256(raw).digest()


def is_loopback_http(url: str) -> bool:
    """Whether the URL is plain http to this very machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http":
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def session_cookie_name(
    issuer: str, mode: CookieMode | Literal["same_host", "cookie_domain"] = "same_host", *, dev: bool = False
) -> str:
    """The name of the issuer's session cookie.

    The six hex digits keep issuers apart that share a host, since ports do not separate cookies. `dev` (loopback http
    only, where HTTP libraries send no Secure cookie) has a name of its own and no prefix.

    Raises:
        ConfigError: `dev` with an issuer elsewhere, plain http without `dev`, or no such mode.
    """
    try:
        mode = CookieMode(mode)
    except ValueError:
        raise ConfigError("a cookie mode is same_host or cookie_domain") from None
    digits = hashlib.sha256(issuer.encode()).hexdigest()[:6]
    if dev:
        if not is_loopback_http(issuer):
            raise ConfigError("dev cookies are for http on loopback only; use https")
        return f"admit-dev-{digits}"
    if urlsplit(issuer).scheme != "https":
        raise ConfigError(
            "session cookies need an https issuer; on loopback http start with --dev, or say dev = true "
            "(dev=True in Settings)"
        )
    prefix = "__Host-" if mode is CookieMode.SAME_HOST else "__Secure-"
    return f"{prefix}admit-{digits}"


def set_cookie(
    name: str,
    value: str,
    *,
    max_age: timedelta | None = None,
    path: str = "/",
    domain: str | None = None,
    same_site: SameSite = SameSite.LAX,
) -> str:
    """A `Set-Cookie` field value, RFC 6265 §4.1: always HttpOnly, always Secure but for the names of `--dev`.

    `max_age` None: until the browser closes. What the name's prefix demands is held (RFC 6265bis §4.1.3).

    Raises:
        ConfigError: a name, value, path or domain that cannot stand in a cookie, or a prefix's demand unmet.
    """
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or not _PATH.fullmatch(path):
        raise ConfigError("a cookie's name, value or path has characters that no cookie has")
    if domain is not None and not _DOMAIN.fullmatch(domain):
        raise ConfigError("a cookie's domain is a host name in lower case")
    if name.startswith("__Host-") and (path != "/" or domain is not None):
        raise ConfigError("a __Host- cookie has path / and no domain")
    parts = [f"{name}={value}", f"Path={path}"]
    if domain is not None:
        parts.append(f"Domain={domain}")
    if max_age is not None:
        parts.append(f"Max-Age={max(0, int(max_age.total_seconds()))}")
    parts.append("HttpOnly")
    if not name.startswith("admit-dev-"):
        parts.append("Secure")
    parts.append(f"SameSite={same_site.value}")
    return "; ".join(parts)


def clear_cookie(name: str, *, path: str = "/", domain: str | None = None) -> str:
    """A `Set-Cookie` field value that removes the cookie; name, path and domain are as it was set."""
    return set_cookie(name, "", max_age=timedelta(0), path=path, domain=domain)


def encode_session_id(raw: bytes) -> str:
    """The cookie value of 32 octets."""
    if len(raw) != SESSION_ID_OCTETS:
        raise ConfigError("a session id has 32 octets")
    return base64url.encode(raw).decode("ascii")
