"""A token in a cookie, for a page of one's own and an API on one host: the *token cookie*.

Browsers attach it as they attach a session's, so the same CSRF rule holds; unlike a session it is held by the browser
whole, so it has a budget that every browser keeps.
"""

from collections.abc import Iterable
from datetime import timedelta

from admit.credentials import authorization, cookies
from admit.errors import MalformedTokenError, OversizedCredentialError, SessionError

BUDGET = 4_096
"""Octets of name, value and attributes: what every browser keeps, RFC 6265 §6.1."""


def read(values: Iterable[bytes], name: str) -> str | None:
    """The token in the cookie of this name, from all `Cookie` field values; None where there is no such cookie.

    Raises:
        MalformedTokenError: the cookie is doubled, or holds no token.
        OversizedCredentialError: it is over its budget, or all cookies are over theirs.
    """
    try:
        content = cookies.one(cookies.parse(values), name)
    except SessionError:
        raise MalformedTokenError("the token cookie is there twice") from None
    if content is None:
        return None
    check_budget(len(name) + 1 + len(content))
    try:
        return authorization.check_syntax(b"Bearer " + content)
    except MalformedTokenError:
        raise MalformedTokenError("the token cookie holds no token") from None


def check_budget(octets: int) -> None:
    """Refuse what some browser would have dropped.

    Raises:
        OversizedCredentialError: more than 4,096 octets.
    """
    if octets > BUDGET:
        raise OversizedCredentialError("the token cookie is over its budget of 4,096 octets")


def write(
    name: str,
    token: str,
    *,
    max_age: timedelta,
    path: str = "/",
    domain: str | None = None,
    same_site: cookies.SameSite = cookies.SameSite.LAX,
) -> str:
    """A `Set-Cookie` field value that keeps the token for `max_age`: HttpOnly and Secure.

    Raises:
        OversizedCredentialError: some browser would drop it: name, value and attributes have more than 4,096 octets.
        ConfigError: what cannot stand in a cookie, as `cookies.set_cookie`.
    """
    value = cookies.set_cookie(name, token, max_age=max_age, path=path, domain=domain, same_site=same_site)
    check_budget(len(value))
    return value
