"""The refresh token's format."""

import hmac
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.issuer.grants import refresh_token
from admit.issuer.grants.refresh_token import RefreshToken

KEY, SALT = b"k" * 32, b"s" * 16
FAMILY = "A" * 22
TOKEN = refresh_token.write("kid1", KEY, FAMILY, 7, SALT)


def genuine(text: str, *, key: bytes = KEY, salt: bytes = SALT) -> bool:
    token = refresh_token.parse(text)
    return (
        token is not None
        and (token.kid, token.family) == ("kid1", FAMILY)
        and refresh_token.is_genuine(token, key, salt)
    )


def test_what_is_written_is_read_and_genuine() -> None:
    parsed = refresh_token.parse(TOKEN)
    assert parsed is not None
    assert (parsed.kid, parsed.family, parsed.generation) == ("kid1", FAMILY, 7)
    assert genuine(TOKEN)
    assert refresh_token.write("kid1", KEY, FAMILY, 7, SALT) == TOKEN


def test_the_mac_is_hmac_sha256_whichever_keys_came_before() -> None:
    others = [bytes([number]) * 32 for number in range(20)]
    for key in (KEY, *others, KEY, b"k" * 100):
        octets = hmac.digest(key, SALT + f"{FAMILY}.7".encode(), "sha256")
        mac = urlsafe_b64encode(octets).rstrip(b"=").decode()
        assert refresh_token.compute_mac(key, FAMILY, 7, SALT) == mac
        assert refresh_token.compute_mac(key, FAMILY, 8, SALT) != mac


def test_another_key_salt_family_or_generation_is_not() -> None:
    assert not genuine(TOKEN, key=b"x" * 32)
    assert not genuine(TOKEN, salt=b"x" * 16)
    kid, family, _, mac = TOKEN.split(".")
    assert not genuine(f"{kid}.{family}.8.{mac}")
    other = RefreshToken(kid, "B" * 22, 7, mac)
    assert not refresh_token.is_genuine(other, KEY, SALT)


@pytest.mark.threat("6819-4.5.3", off="admit.issuer.grants.refresh_token:is_genuine")
def test_any_changed_character_makes_it_worthless() -> None:
    for at, char in enumerate(TOKEN):
        for other in (
            "A" if char != "A" else "B",
            "a" if char != "a" else "b",
            "9" if char != "9" else "8",
            "-",
            ".",
        ):
            if other != char:
                assert not genuine(TOKEN[:at] + other + TOKEN[at + 1 :]), at


@pytest.mark.threat("6819-4.5.3", off="admit.issuer.grants.refresh_token:is_genuine")
def test_spare_bits_of_the_last_character_may_not_vary() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert [char for char in alphabet if genuine(TOKEN[:-1] + char)] == [TOKEN[-1]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "....",
        TOKEN + "=",
        TOKEN + ".x",
        " " + TOKEN,
        TOKEN + "\n",
        TOKEN.replace(".7.", ".07."),
        TOKEN.replace(".7.", ".+7."),
        TOKEN.replace(".7.", ".٧."),
        TOKEN.replace(".7.", ".-7."),
        TOKEN.replace(".7.", "." + "9" * 19 + "."),
        "k" * 300,
        TOKEN.replace("kid1", ""),
        TOKEN.replace("kid1", "k.d"),
    ],
)
def test_one_token_has_one_spelling(text: str) -> None:
    assert refresh_token.parse(text) is None


@given(st.text(max_size=300))
def test_any_text_is_parsed_or_none(text: str) -> None:
    refresh_token.parse(text)


@given(st.integers(0, 10**17), st.integers(0, 10**17))
def test_generations_have_different_tokens(one: int, other: int) -> None:
    same = refresh_token.write("k", KEY, FAMILY, one, SALT) == refresh_token.write(
        "k", KEY, FAMILY, other, SALT
    )
    assert same == (one == other)


def test_a_mac_does_not_show() -> None:
    parsed = refresh_token.parse(TOKEN)
    assert TOKEN.split(".")[3] not in repr(parsed)
    assert len(urlsafe_b64encode(b"x" * 32).rstrip(b"=")) == len(TOKEN.split(".")[3])
