"""Where a credential may stand in a request, RFC 6750 §2: exactly one place, else none is taken.

The Authorization header. The form body, where the caller passes it. The query, only by `Waive.QUERY_TOKEN`. The session
cookie or a token cookie, where its name is given; a header beside it decides alone, since browsers attach cookies
unasked.
"""

from collections.abc import Sequence
from typing import Literal
from urllib.parse import parse_qsl

from admit.credentials import authorization, cookies, token_cookie
from admit.credentials.values import NONE, BearerCredential, Credential, SessionCredential
from admit.errors import MalformedCredentialError, MalformedTokenError
from admit.jose.waive import Waive

PARAMETER = "access_token"
MAX_FORM = 65_536
MAX_FIELDS = 100
_FORM_TYPE = b"application/x-www-form-urlencoded"


def read(
    headers: Sequence[tuple[bytes, bytes]],
    method: str,
    url: str,
    *,
    session_cookie: str | None = None,
    token_in: str | None = None,
    form: bytes | None = None,
    query_token: Literal[Waive.QUERY_TOKEN] | None = None,
) -> Credential:
    """The request's one credential. `headers` have lower-case names, as ASGI gives them.

    `session_cookie` is the cookie's name where sessions are taken, `token_in` where tokens in a cookie are; `form` the
    body where tokens in forms are.

    Raises:
        MalformedCredentialError: two token places, a token in the query, or a token field that is doubled or odd.
        MalformedTokenError: a `Bearer` that is not spelled by the letter, two Authorization headers, or a token cookie
            that is doubled or holds none.
        MissingCredentialError: another authentication scheme.
        SessionError: the session cookie is doubled or no session id.
        OversizedCredentialError: more than 16 KiB of cookies, or a token cookie over its budget.
    """
    in_header: list[bytes] = []
    in_cookies: list[bytes] = []
    for name, value in headers:
        if name == b"authorization":
            in_header.append(value)
        elif name == b"cookie":
            in_cookies.append(value)
    in_query = from_query(url, query_token) if "?" in url else None
    in_form = None if form is None else from_form(form, headers, method)
    if in_header:
        token = authorization.bearer(in_header)
        if in_query is not None or in_form is not None:
            raise MalformedCredentialError("a token stands in two places")
        if token is not None:
            return BearerCredential(token)
    if in_query is not None or in_form is not None:
        if in_query is not None and in_form is not None:
            raise MalformedCredentialError("a token stands in two places")
        return BearerCredential(in_form or in_query or "", in_query=in_query is not None)
    if session_cookie is not None and in_cookies:
        raw = cookies.session_id(in_cookies, session_cookie)
        if raw is not None:
            return SessionCredential(cookies.id_hash(raw), raw)
    if token_in is not None and in_cookies:
        token = token_cookie.read(in_cookies, token_in)
        if token is not None:
            return BearerCredential(token, in_cookie=True)
    return NONE


def from_query(url: str, waiver: Literal[Waive.QUERY_TOKEN] | None) -> str | None:
    """The token in the URL's query, RFC 6750 §2.3; None where there is none.

    Raises:
        MalformedCredentialError: there is one and nobody waived the rule, or it is doubled or malformed.
    """
    query = url.partition("?")[2].partition("#")[0]
    if PARAMETER not in query and "%" not in query:
        return None
    found = _values(query)
    if not found:
        return None
    if waiver is not Waive.QUERY_TOKEN:
        raise MalformedCredentialError("a token in the query")
    return _one(found)


def from_form(form: bytes, headers: Sequence[tuple[bytes, bytes]], method: str) -> str | None:
    """The token in a form body, RFC 6750 §2.2; None where there is none.

    Raises:
        MalformedCredentialError: it is doubled or malformed, or the body is too large to be looked through.
    """
    kinds = [value for name, value in headers if name == b"content-type"]
    if method in ("GET", "HEAD") or len(kinds) != 1:
        return None
    if kinds[0].partition(b";")[0].strip(b" \t").lower() != _FORM_TYPE:
        return None
    if len(form) > MAX_FORM:
        raise MalformedCredentialError("the form is too large")
    try:
        found = _values(form.decode("ascii"))
    except UnicodeDecodeError:
        return None  # RFC 6750 §2.2: the body has ASCII only, else it carries no token
    return _one(found) if found else None


def _values(text: str) -> list[str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise MalformedCredentialError("the parameters are malformed or too many") from None
    return [value for name, value in pairs if name == PARAMETER]


def _one(found: list[str]) -> str:
    if len(found) != 1:
        raise MalformedCredentialError("access_token is there twice")
    try:
        return authorization.check_syntax(b"Bearer " + found[0].encode("ascii"))
    except (UnicodeEncodeError, MalformedTokenError):
        raise MalformedCredentialError("access_token is no token") from None
