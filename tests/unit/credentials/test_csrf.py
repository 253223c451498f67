"""`admit.credentials.csrf`: whether our own pages made a request by cookie. WEB-csrf."""

import pytest

from admit.credentials import csrf
from admit.errors import CsrfError

RAW = bytes(range(32))
TOKEN = csrf.token(RAW).encode()
OURS = "https://app.example.com"
ORIGINS = frozenset({OURS})

Headers = list[tuple[bytes, bytes]]
WITH_TOKEN: Headers = [(b"x-csrf-token", TOKEN)]


def origin(value: str) -> Headers:
    return [(b"origin", value.encode("latin-1"))]


def site(value: str) -> Headers:
    return [(b"sec-fetch-site", value.encode())]


def passes(
    headers: Headers, method: str = "POST", origins: frozenset[str] = ORIGINS, field: str | None = None
) -> bool:
    try:
        csrf.check(headers, method, origins=origins, raw_id=RAW, field=field)
    except CsrfError:
        return False
    return True


def test_the_token_is_the_sessions_own_and_tells_nothing_of_it() -> None:
    assert csrf.token(RAW) == csrf.token(RAW) != csrf.token(bytes(32))
    assert len(csrf.token(RAW)) == 43


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_needs_nothing(method: str) -> None:
    assert passes([], method)
    assert passes(origin("https://evil.example"), method)


@pytest.mark.parametrize(
    "headers",
    [
        origin(OURS),
        origin(OURS) + site("same-site"),
        origin(OURS) + site("cross-site"),
        site("same-origin"),
        site("none"),
        [],
    ],
)
def test_our_own_pages_pass_with_the_token(headers: Headers) -> None:
    assert passes(headers + WITH_TOKEN)
    assert not passes(headers)


@pytest.mark.threat("WEB-csrf", off="admit.credentials.csrf:check_origin")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "post", "get"])
def test_another_sites_page_is_refused_even_with_the_token(method: str) -> None:
    for foreign in (
        origin("https://evil.example"), origin("null"), origin("http://app.example.com"), origin(""),
        origin("https://app.example.com.evil.example"), origin("https://app.example.com:8443"),
        origin("https://APP.example.com"), origin(OURS) + origin(OURS), origin(OURS) + origin("https://evil.example"),
        site("cross-site"), site("same-site"), site("x"), site("same-origin") + site("same-origin"),
        origin("https://evil.example") + site("same-origin"),
    ):  # fmt: skip
        assert not passes(foreign + WITH_TOKEN, method)
    assert passes(origin(OURS) + WITH_TOKEN, method)


@pytest.mark.threat("WEB-csrf", off="admit.credentials.csrf:check_token")
@pytest.mark.parametrize("headers", [origin(OURS), site("same-origin"), []])
def test_without_the_sessions_own_token_our_origin_is_not_enough(headers: Headers) -> None:
    for sent in (
        [],
        [(b"x-csrf-token", csrf.token(bytes(32)).encode())],
        [(b"x-csrf-token", b"")],
        WITH_TOKEN * 2,
    ):
        assert not passes(headers + sent)
    assert passes(headers + WITH_TOKEN)


def test_without_origins_only_pages_of_the_same_origin_pass() -> None:
    nobody: frozenset[str] = frozenset()
    assert passes(origin("https://api.example.com") + site("same-origin") + WITH_TOKEN, origins=nobody)
    assert passes(WITH_TOKEN, origins=nobody)
    assert not passes(origin("https://api.example.com") + WITH_TOKEN, origins=nobody)
    assert not passes(origin("https://app.example.com") + site("same-site") + WITH_TOKEN, origins=nobody)


def test_a_form_brings_the_token_in_a_field() -> None:
    assert passes(origin(OURS), field=csrf.token(RAW))
    for other in ("", csrf.token(bytes(32)), "\ud800", "ä"):
        assert not passes(origin(OURS), field=other)
    # The field given decides: a token in the header does not heal a wrong one.
    assert not passes(origin(OURS) + WITH_TOKEN, field="")


def opens(headers: Headers, origins: frozenset[str] = ORIGINS, *, secure: bool = True) -> bool:
    try:
        csrf.check_handshake(headers, origins=origins, secure=secure)
    except CsrfError:
        return False
    return True


def test_a_handshake_by_cookie_is_made_by_a_named_origin() -> None:
    assert opens(origin(OURS))
    for headers in ([], origin("null"), origin("https://evil.example"), origin(OURS) * 2, origin(OURS + "/")):
        assert not opens(headers)
    # No token makes up for it: there is no room for one, and a program has no cookie to hide behind.
    assert not opens(WITH_TOKEN)


def test_without_names_a_handshake_is_made_by_the_hosts_own_pages() -> None:
    host: Headers = [(b"host", b"API.example.com:8443")]
    none: frozenset[str] = frozenset()
    assert opens([*host, *origin("https://api.example.com:8443")], none)
    for headers in (
        host,
        [*host, *origin("https://api.example.com")],
        [*host, *origin("http://api.example.com:8443")],
        [*host, *host, *origin("https://api.example.com:8443")],
        origin("https://api.example.com:8443"),
    ):
        assert not opens(headers, none)
    assert opens([*host, *origin("http://api.example.com:8443")], none, secure=False)
