"""`admit.credentials.token_cookie`: a token in a cookie, read and written within what every browser keeps."""

from datetime import timedelta

import pytest

from admit.credentials import BearerCredential, Credential, NoCredential, read, token_cookie
from admit.errors import AdmitError, ConfigError, MalformedTokenError, OversizedCredentialError

NAME = "__Host-orders"
FIVE = timedelta(minutes=5)


def get(*values: bytes, more: tuple[tuple[bytes, bytes], ...] = ()) -> Credential:
    return read([*((b"cookie", value) for value in values), *more], "GET", "/", token_in=NAME)


def test_the_token_is_read_from_its_cookie_alone() -> None:
    assert get(b"a=b; __Host-orders=t.o.k; c=d") == BearerCredential("t.o.k", in_cookie=True)
    assert get(b"__Secure-orders=t.o.k; orders=t.o.k") == NoCredential()
    assert read([(b"cookie", b"__Host-orders=t.o.k")], "GET", "/") == NoCredential()
    assert "t.o.k" not in repr(get(b"__Host-orders=t.o.k"))


def test_a_header_decides_over_it() -> None:
    bearer = (b"authorization", b"Bearer other")
    assert get(b"__Host-orders=t.o.k", more=(bearer,)) == BearerCredential("other")
    with pytest.raises(AdmitError):
        get(b"__Host-orders=t.o.k", more=((b"authorization", b"Basic dTpw"),))


@pytest.mark.parametrize("value", [b"", b'"t.o.k"', b"t o k", b"t\xffk", b"=t"])
def test_what_is_no_token_is_refused_and_not_passed_over(value: bytes) -> None:
    with pytest.raises(MalformedTokenError):
        get(b"__Host-orders=" + value)


def test_of_two_none_is_taken() -> None:
    for values in ((b"__Host-orders=a; __Host-orders=a",), (b"__Host-orders=a", b"__Host-orders=b")):
        with pytest.raises(MalformedTokenError):
            get(*values)


def test_the_budget_is_held_where_it_is_read_and_where_it_is_written() -> None:
    room = token_cookie.BUDGET - len(NAME) - 1
    assert isinstance(get(b"__Host-orders=" + b"a" * room), BearerCredential)
    with pytest.raises(OversizedCredentialError):
        get(b"__Host-orders=" + b"a" * (room + 1))
    largest = "a" * (token_cookie.BUDGET - len(token_cookie.write(NAME, "", max_age=FIVE)))
    assert len(token_cookie.write(NAME, largest, max_age=FIVE)) == token_cookie.BUDGET
    with pytest.raises(OversizedCredentialError):
        token_cookie.write(NAME, largest + "a", max_age=FIVE)


def test_what_is_written_is_out_of_reach_for_scripts_and_plain_http() -> None:
    written = token_cookie.write(NAME, "t.o.k", max_age=FIVE)
    assert written == "__Host-orders=t.o.k; Path=/; Max-Age=300; HttpOnly; Secure; SameSite=Lax"
    with pytest.raises(ConfigError):
        token_cookie.write(NAME, "t;k", max_age=FIVE)
    with pytest.raises(ConfigError):
        token_cookie.write(NAME, "t", max_age=FIVE, domain="example.com")
