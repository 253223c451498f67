"""`admit.credentials.read`: where a credential may stand, RFC 6750 §2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.credentials import BearerCredential, Credential, NoCredential, SessionCredential, cookies, read
from admit.errors import AdmitError, MalformedCredentialError
from admit.jose import Waive

NAME = "admit-dev-abcdef"
COOKIE = (b"cookie", f"{NAME}={cookies.encode_session_id(bytes(range(32)))}".encode())
BEARER = (b"authorization", b"Bearer tok")
FORM = (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")


def get(*headers: tuple[bytes, bytes], url: str = "/") -> Credential:
    return read(headers, "GET", url, session_cookie=NAME)


def test_nothing_is_no_credential() -> None:
    assert get() == get((b"cookie", b"other=1"), url="/?page=2") == NoCredential()


@pytest.mark.rfc("6750", "2.1")
def test_the_header_is_read() -> None:
    assert get(BEARER) == BearerCredential("tok")
    assert "tok" not in repr(get(BEARER))


def test_the_cookie_is_read_where_sessions_are_taken() -> None:
    assert isinstance(get(COOKIE), SessionCredential)
    assert read([COOKIE], "GET", "/") == NoCredential()


def test_a_header_decides_over_the_cookie_beside_it() -> None:
    assert get(COOKIE, BEARER) == get(BEARER, COOKIE) == BearerCredential("tok")
    for bad in (b"Basic dTpw", b"Bearer  tok", b""):
        with pytest.raises(AdmitError) as refused:
            get(COOKIE, (b"authorization", bad))
        assert refused.value.status == 401


@pytest.mark.threat("6819-4.6.7", off="admit.credentials.request:from_query")
@pytest.mark.rfc("6750", "2.3")
@pytest.mark.parametrize(
    "url",
    [
        "/?access_token=tok",
        "/?a=b&access_token=tok",
        "/?access%5Ftoken=tok",
        "/?access_token=",
        "/?access_token",
    ],
)
def test_a_token_in_the_query_is_refused_unless_that_is_waived_by_name(url: str) -> None:
    for headers in ([], [COOKIE], [BEARER]):
        with pytest.raises(MalformedCredentialError):
            get(*headers, url=url)
    if url.endswith("tok"):
        assert read([], "GET", url, query_token=Waive.QUERY_TOKEN) == BearerCredential("tok", in_query=True)
    else:
        with pytest.raises(MalformedCredentialError):
            read([], "GET", url, query_token=Waive.QUERY_TOKEN)


@pytest.mark.rfc("6750", "2")
def test_two_token_places_are_refused() -> None:
    with pytest.raises(MalformedCredentialError):
        read([BEARER], "GET", "/?access_token=tok", query_token=Waive.QUERY_TOKEN)
    with pytest.raises(MalformedCredentialError):
        read([BEARER, FORM], "POST", "/", form=b"access_token=tok")
    with pytest.raises(MalformedCredentialError):
        read([FORM], "POST", "/?access_token=tok", form=b"access_token=tok", query_token=Waive.QUERY_TOKEN)
    for twice in ("/?access_token=a&access_token=a", "/?access_token=a&access%5ftoken=b"):
        with pytest.raises(MalformedCredentialError):
            read([], "GET", twice, query_token=Waive.QUERY_TOKEN)


@pytest.mark.rfc("6750", "2.2")
def test_a_form_is_looked_through_only_where_it_is_one() -> None:
    body = b"a=1&access_token=tok"
    assert read([FORM], "POST", "/", form=body) == BearerCredential("tok")
    assert read([FORM], "POST", "/") == NoCredential()
    assert read([FORM], "GET", "/", form=body) == NoCredential()
    assert read([(b"content-type", b"text/plain")], "POST", "/", form=body) == NoCredential()
    assert read([], "POST", "/", form=body) == NoCredential()
    assert read([FORM], "POST", "/", form=body + "ä".encode()) == NoCredential()
    for bad in (b"access_token=a&access_token=a", b"access_token=a+b", b"access_token=", b"x" * 70_000):
        with pytest.raises(MalformedCredentialError):
            read([FORM], "POST", "/", form=bad)


names = st.sampled_from([b"authorization", b"cookie", b"content-type", b"origin"])


@given(
    st.lists(st.tuples(names, st.binary(max_size=40)), max_size=4),
    st.sampled_from(["GET", "POST"]),
    st.text(max_size=40).map(lambda text: "/?" + text),
    st.none() | st.binary(max_size=40),
)
def test_whatever_the_request_one_credential_or_an_admit_error(
    headers: list[tuple[bytes, bytes]], method: str, url: str, form: bytes | None
) -> None:
    try:
        found = read(headers, method, url, session_cookie=NAME, form=form, query_token=Waive.QUERY_TOKEN)
    except AdmitError:
        return
    if any(name == b"authorization" for name, _ in headers):
        assert isinstance(found, BearerCredential)
        assert not found.in_query
