"""Whether a request by cookie was made by our own pages: by its origin, and by a token that only they can know.

Browsers attach cookies to what other sites make them send. Two defences, both held: `Origin` (else `Sec-Fetch-Site`)
says which page made the request, and the token is derived from the session id, which no other site can read.
"""

import hashlib
import hmac
from collections.abc import Collection, Sequence

from admit.errors import CsrfError
from admit.jose import base64url

HEADER = b"x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, RFC 9110 §9.2.1, and that no route may let change anything."""

_PURPOSE = b"admit-csrf"
_OWN_FETCHES = frozenset({b"same-origin", b"none"})


def token(raw_id: bytes) -> str:
    """The CSRF token of a session, or of the pre-session of a sign-in page: HMAC-SHA256 by its 32 raw octets. Of a
    token cookie: by the octets of its token.
    """
    digest = hmac.digest(raw_id, _PURPOSE, hashlib.sha256)
    return base64url.encode(digest).decode("ascii")


def check(
    headers: Sequence[tuple[bytes, bytes]],
    method: str,
    *,
    origins: Collection[str],
    raw_id: bytes,
    field: str | None = None,
) -> None:
    """Pass a request by cookie only if it changes nothing, or both defences hold.

    `origins` are those whose pages may make such requests; none named: only pages of the request's own origin, as
    `Sec-Fetch-Site` tells. `field` is the token from a form, for pages; else it is `X-CSRF-Token`.

    Raises:
        CsrfError: a foreign origin, or no token, or another session's.
    """
    if method in SAFE_METHODS:
        return
    check_origin(headers, origins)
    check_token(headers, raw_id, field)


def check_origin(headers: Sequence[tuple[bytes, bytes]], origins: Collection[str]) -> None:
    """Hold `Origin` and `Sec-Fetch-Site`, headers that no script can set. Both absent: the token alone decides.

    Raises:
        CsrfError: `Origin` is foreign, `null` or doubled, or another site's page made the request.
    """
    origin = [value for name, value in headers if name == b"origin"]
    site = [value for name, value in headers if name == b"sec-fetch-site"]
    if len(origin) > 1 or len(site) > 1:
        raise CsrfError("a header that browsers send once is there twice")
    if origin:
        named = origin[0].decode("latin-1")
        if origins:
            if named == "null" or named not in origins:
                raise CsrfError("the origin is none of ours")
        elif site != [b"same-origin"]:
            raise CsrfError("no origins are set, and the page is not of this origin")
    elif site and site[0] not in _OWN_FETCHES:
        raise CsrfError("another site's page made the request")


def check_handshake(
    headers: Sequence[tuple[bytes, bytes]], *, origins: Collection[str], secure: bool
) -> None:
    """Pass a WebSocket's handshake by cookie only where one of our own pages made it, RFC 6455 §10.2.

    A handshake is a GET that other sites' pages can make, with our cookies and without CORS, and it opens what changes
    things; it has no room for a CSRF token. So `Origin` decides alone, and must be there: browsers always send it, and
    programs have tokens. None of `origins` named: it is `Host`'s own, by https; by http too unless `secure`.

    Raises:
        CsrfError: `Origin` is missing, foreign, `null` or doubled.
    """
    named = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    if len(named) != 1:
        raise CsrfError("a handshake by cookie has one origin")
    if origins:
        ours: Collection[str] = origins
    else:
        host = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
        ours = {f"https://{host[0]}", *(() if secure else (f"http://{host[0]}",))} if len(host) == 1 else ()
    if named[0] == "null" or named[0] not in ours:
        raise CsrfError("the handshake was made by another origin's page")


def check_token(headers: Sequence[tuple[bytes, bytes]], raw_id: bytes, field: str | None = None) -> None:
    """Hold the token: in the header, or for pages in a field.

    Raises:
        CsrfError: it is missing, doubled or another session's.
    """
    if field is None:
        sent = [value for name, value in headers if name == HEADER]
        if len(sent) != 1:
            raise CsrfError("no CSRF token")
        given = sent[0]
    else:
        given = field.encode("utf-8", "replace")
    if not hmac.compare_digest(given, token(raw_id).encode("ascii")):
        raise CsrfError("the CSRF token is not this session's")
