"""`admit.credentials.authorization`: the header by the letter, RFC 6750 §2.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.credentials import BearerCredential, authorization, read
from admit.errors import AdmitError, MalformedTokenError, MissingCredentialError

LOOSE = [
    b"Bearer", b"Bearer ", b"Bearer  tok", b"Bearer\ttok", b"Bearer \ttok", b"Bearer tok ", b"Bearer tok\t",
    b"Bearer tok tok", b"Bearer tok, Bearer tok", b"Bearer t\xc3\xb6k", b'Bearer "tok"', b"Bearer tok\x00",
    b"Bearer tok=x", b"Bearer =", b"Bearer token=tok", b"Bearer tok\n", b"Bearer\xa0tok",
]  # fmt: skip


@pytest.mark.rfc("6750", "2.1")
@pytest.mark.parametrize("value", [b"Bearer tok", b"bearer tok", b"BEARER tok"])
def test_one_space_and_one_token_are_taken_whatever_the_schemes_case(value: bytes) -> None:
    assert authorization.bearer([value]) == "tok"
    assert authorization.bearer([b"Bearer aZ09-._~+/=="]) == "aZ09-._~+/=="


@pytest.mark.rfc("6750", "2.1")
@pytest.mark.threat("WEB-method", off="admit.credentials.authorization:check_syntax")
def test_loose_bearer_syntax_is_refused() -> None:
    taken = []
    for value in LOOSE:
        status = 200
        try:
            read([(b"authorization", value)], "GET", "/")
        except AdmitError as error:
            status = error.status
        if status != 401:
            taken.append(value)
    assert not taken


@pytest.mark.threat("WEB-method", off="admit.credentials.authorization:check_single")
@pytest.mark.parametrize("second", [b"Bearer tok", b"Bearer other", b"Basic dTpw", b""])
def test_two_authorization_headers_are_refused(second: bytes) -> None:
    for pair in ([b"Bearer tok", second], [second, b"Bearer tok"]):
        with pytest.raises(MalformedTokenError):
            authorization.bearer(pair)


@pytest.mark.rfc("6750", "3.1")
@pytest.mark.parametrize(
    "value", [b"Basic dTpw", b"DPoP tok", b"Bearertok", b"", b" Bearer tok", b"Bear er", b"tok"]
)
def test_another_scheme_is_no_credential(value: bytes) -> None:
    with pytest.raises(MissingCredentialError):
        authorization.bearer([value])


def test_no_header_is_no_token() -> None:
    assert authorization.bearer([]) is None


def test_a_token_has_at_most_16_kib() -> None:
    longest = b"a" * authorization.MAX_TOKEN
    assert authorization.bearer([b"Bearer " + longest]) == longest.decode()
    with pytest.raises(MalformedTokenError):
        authorization.bearer([b"Bearer a" + longest])


@given(st.binary(max_size=64) | st.binary(max_size=32).map(lambda rest: b"Bearer" + rest))
def test_whatever_the_header_a_token_or_an_admit_error(value: bytes) -> None:
    try:
        found = read([(b"authorization", value)], "GET", "/")
    except AdmitError:
        return
    assert isinstance(found, BearerCredential)
    assert value[:7].lower() == b"bearer "
    assert value[7:].decode() == found.token
