"""base64url has one spelling for each string of octets."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit import MalformedTokenError
from admit.jose import base64url


@pytest.mark.rfc("7515", "2")
@given(st.binary(max_size=200))
def test_octets_round_trip_in_the_spelling_of_the_standard_library(octets: bytes) -> None:
    text = base64url.encode(octets)
    assert text == base64.urlsafe_b64encode(octets).rstrip(b"=")
    assert base64url.decode(text) == octets
    assert base64url.encoded_length(len(octets)) == len(text)


@pytest.mark.rfc("7515", "2")
@given(st.binary(max_size=60) | st.text("AQgw-_+/=\n .!é", max_size=12).map(str.encode))
def test_whatever_decodes_encodes_back_to_the_same_text(text: bytes) -> None:
    try:
        octets = base64url.decode(text)
    except MalformedTokenError:
        return
    assert base64url.encode(octets) == text


@pytest.mark.rfc("7515", "2")
@pytest.mark.rfc("7515", "5.2")
@pytest.mark.rfc("4648", "3.5")
@pytest.mark.parametrize(
    "text",
    [
        b"Zg==",
        b"Zg=",
        b"Zg\n",
        b" Zg",
        b"Z",
        b"Zm9vY",
        b"Zh",
        b"Zm9",
        b"+/+/",
        b"Zm9v!!!!",
        b"!!!!",
        b"Zm9\xff",
    ],
)
def test_another_spelling_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedTokenError):
        base64url.decode(text)
