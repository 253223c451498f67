"""`admit.credentials.cookies`: by the octet, RFC 6265. SES-3."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.credentials import NoCredential, SessionCredential, cookies, read
from admit.errors import AdmitError, ConfigError, OversizedCredentialError, SessionError

NAME = cookies.session_cookie_name("https://id.example.com")
RAW = bytes(range(32))
GOOD = cookies.encode_session_id(RAW).encode()
EVIL = cookies.encode_session_id(bytes(32)).encode()
SID = NAME.encode()


def session(*values: bytes) -> bytes | None:
    """The session that these cookie headers carry; None where they carry none or are refused."""
    try:
        return cookies.session_id(values, NAME)
    except SessionError:
        return None


@pytest.mark.rfc("6265", "4.2.1")
@pytest.mark.parametrize(
    "value",
    [
        SID + b"=" + GOOD,
        b"a=b; " + SID + b"=" + GOOD,
        SID + b"=" + GOOD + b";theme=dark",
        b"\t " + SID + b"=" + GOOD + b" \t;",
        b"nameless; ;=empty; " + SID + b"=" + GOOD,
    ],
)
def test_the_session_is_found_among_other_cookies(value: bytes) -> None:
    assert session(value) == RAW
    assert session(b"x=y", value) == RAW


@pytest.mark.threat("SES-3", off="admit.credentials.cookies:only")
@pytest.mark.parametrize("first", [EVIL, GOOD, b""])
def test_two_session_cookies_of_one_name_are_no_session(first: bytes) -> None:
    assert session(SID + b"=" + first + b"; " + SID + b"=" + GOOD) is None
    assert session(SID + b"=" + first, SID + b"=" + GOOD) is None
    with pytest.raises(SessionError):
        read([(b"cookie", SID + b"=" + first + b"; " + SID + b"=" + GOOD)], "GET", "/", session_cookie=NAME)


@pytest.mark.threat("SES-3", off="admit.credentials.cookies:trimmed")
@pytest.mark.parametrize("blank", ["\u2000", "\u0085", "\u00a0", "\u3000", "\x0b", "\x0c", "\x1c", "\u2028"])
def test_only_space_and_tab_are_blank(blank: str) -> None:
    for planted in (blank.encode() + SID, SID + blank.encode(), b" " + blank.encode() + SID):
        assert session(planted + b"=" + GOOD) is None
        # The planted cookie does not stand in the way of the true one either.
        assert session(planted + b"=" + EVIL + b"; " + SID + b"=" + GOOD) == RAW
    assert session(SID + b"=" + GOOD + blank.encode()) is None


@pytest.mark.threat("SES-3", off="admit.credentials.cookies:decode_session_id")
def test_quotes_belong_to_the_value() -> None:
    assert session(SID + b'="' + GOOD + b'"') is None
    assert session(SID + b"=" + GOOD) == RAW


@pytest.mark.parametrize("start", [b"$Version=1; ", b"$Version=0; $Path=/; ", b'$Version="1"; '])
def test_a_version_cookie_changes_nothing(start: bytes) -> None:
    assert session(start + SID + b"=" + GOOD) == RAW
    assert session(start + b'x="; ' + SID + b"=" + GOOD + b'"; y=1') is None


@pytest.mark.parametrize(
    "name", [SID.lower(), SID.upper(), b"__host" + SID[6:], SID + b" ", SID + b"\x00", b"x" + SID]
)
def test_the_name_is_compared_by_the_octet(name: bytes) -> None:
    assert name == SID or session(name + b"=" + GOOD) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        GOOD[:-1],
        GOOD + b"A",
        GOOD + b"=",
        GOOD[:-1] + b"_",
        b"+" + GOOD[1:],
        b"\xff" * 43,
        b"%41" + GOOD[3:],
    ],
)
def test_what_is_no_session_id_is_no_session(value: bytes) -> None:
    assert session(SID + b"=" + value) is None
    with pytest.raises(SessionError):
        read([(b"cookie", SID + b"=" + value)], "GET", "/", session_cookie=NAME)


@pytest.mark.rfc("6585", "5")
@pytest.mark.threat("SES-3", off="admit.credentials.cookies:check_header_size")
def test_20_kb_of_cookies_are_not_read() -> None:
    with pytest.raises(OversizedCredentialError) as refused:
        cookies.parse([b"a=" + b"x" * 10_000, b"b=" + b"x" * 10_000])
    assert refused.value.status == 431
    assert len(cookies.parse([b"a=" + b"x" * 8_000, b"b=" + b"x" * 8_000])) == 2


def test_the_credential_has_the_hash_and_shows_neither() -> None:
    found = read([(b"cookie", SID + b"=" + GOOD)], "GET", "/", session_cookie=NAME)
    assert found == SessionCredential(hashlib.sha256(RAW).digest(), RAW)
    assert repr(found) == "SessionCredential()"
    assert isinstance(read([(b"cookie", SID + b"=" + GOOD)], "GET", "/"), NoCredential)


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_whatever_the_header_cookies_or_an_admit_error(values: list[bytes]) -> None:
    try:
        pairs = cookies.parse(values)
    except AdmitError:
        return
    joined = b";".join(values)
    assert all(name + b"=" + value in joined for name, value in pairs)


def test_names_tell_mode_and_issuer() -> None:
    digits = hashlib.sha256(b"https://id.example.com").hexdigest()[:6]
    assert f"__Host-admit-{digits}" == NAME
    assert (
        cookies.session_cookie_name("https://id.example.com", "cookie_domain") == f"__Secure-admit-{digits}"
    )
    assert cookies.session_cookie_name("https://id.example.com:8443") != NAME
    with pytest.raises(ConfigError):
        cookies.session_cookie_name("https://id.example.com", "same_site")  # type: ignore[arg-type]  # no such mode


@pytest.mark.parametrize(
    "issuer", ["http://localhost:8410", "http://127.0.0.1:8410", "http://[::1]:1", "http://a.localhost"]
)
def test_dev_cookies_are_for_loopback_http(issuer: str) -> None:
    name = cookies.session_cookie_name(issuer, dev=True)
    assert name.startswith("admit-dev-")
    assert "Secure" not in cookies.set_cookie(name, "x")
    with pytest.raises(ConfigError):
        cookies.session_cookie_name(issuer)


@pytest.mark.parametrize(
    "issuer",
    [
        "http://example.com",
        "https://localhost",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "http://127.0.0.1.nip.io",
    ],
)
def test_dev_cookies_are_refused_elsewhere(issuer: str) -> None:
    with pytest.raises(ConfigError):
        cookies.session_cookie_name(issuer, dev=True)


@pytest.mark.rfc("6265", "4.1")
def test_a_set_cookie_is_http_only_secure_and_lax() -> None:
    assert cookies.set_cookie(NAME, "v") == f"{NAME}=v; Path=/; HttpOnly; Secure; SameSite=Lax"
    long = cookies.set_cookie(
        "__Secure-a", "v", max_age=timedelta(days=1), domain="example.com", same_site=cookies.SameSite.STRICT
    )
    assert (
        long == "__Secure-a=v; Path=/; Domain=example.com; Max-Age=86400; HttpOnly; Secure; SameSite=Strict"
    )
    assert cookies.clear_cookie(NAME) == f"{NAME}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "a b"}, {"name": ""}, {"name": "a=b"}, {"name": "a\r\n"}, {"value": "a;b"}, {"value": "a\r\nX: y"},
        {"value": 'a"b'}, {"value": "a,b"}, {"value": "ä"}, {"path": "x"}, {"path": "/;x"}, {"path": "/a b"},
        {"domain": "EXAMPLE.com"}, {"domain": "a;b"}, {"domain": ".example.com"},
        {"name": "__Host-a", "domain": "example.com"}, {"name": "__Host-a", "path": "/x"},
    ],
)  # fmt: skip
def test_what_cannot_stand_in_a_cookie_is_not_set(changed: dict[str, Any]) -> None:
    arguments = {"name": "a", "value": "b"} | changed
    assert cookies.set_cookie("a", "b")
    with pytest.raises(ConfigError):
        cookies.set_cookie(arguments.pop("name"), arguments.pop("value"), **arguments)
    with pytest.raises(ConfigError):
        cookies.encode_session_id(b"short")
