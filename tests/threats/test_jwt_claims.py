"""Ledger: claims of exact type, for us, of the right kind, now (RFC 8725 §3.9, §3.11; RFC 7519 §4.1)."""

import json
from typing import Any

import pytest

from admit import TokenError, Waive
from tests.threats.forge import API, GOOD, KEYS, NOW, reads, signed

KEY = KEYS["HS256"]
TYPES = "admit.jose.claims:check_types"


def claims(**changed: Any) -> str:
    """A truly signed token with changed claims; `...` leaves one out."""
    members = {name: value for name, value in {**GOOD, **changed}.items() if value is not ...}
    return signed({"alg": "HS256"}, json.dumps(members).encode())


@pytest.mark.rfc("7519", "4.1.3")
@pytest.mark.rfc("8725", "3.9")
@pytest.mark.threat("JWT-aud", off=[TYPES, "admit.jose.claims:check_audience"])
@pytest.mark.parametrize(
    "aud",
    [
        ...,
        None,
        "",
        [],
        API[:-1],
        API + "/",
        API.upper(),
        "*",
        [API[:-1]],
        [1],
        [API, 1],
        [None],
        {API: True},
        {},
        1,
        True,
        [[API]],
    ],
    ids=repr,
)
def test_a_token_that_does_not_name_us_is_refused(aud: Any) -> None:
    with pytest.raises(TokenError):
        reads(claims(aud=aud), KEY)


@pytest.mark.threat("JWT-aud")
def test_a_token_that_names_us_among_others_is_taken() -> None:
    assert reads(claims(aud=["https://other.example", API]), KEY)
    assert reads(claims(aud=...), KEY, audience=Waive.AUDIENCE)


@pytest.mark.rfc("8725", "3.11")
@pytest.mark.threat("JWT-kinds", off="admit.jose.claims:check_typ")
@pytest.mark.parametrize("wanted", ["at+jwt", "logout+jwt", "dpop+jwt", "JWT"])
@pytest.mark.parametrize(
    "typ", [None, "at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt", "statuslist+jwt", "x"]
)
def test_a_token_of_one_kind_is_not_taken_for_another(wanted: str, typ: str | None) -> None:
    if (typ or "JWT").removeprefix("application/") == wanted:
        typ = "another+jwt"
    header = {"alg": "HS256"} if typ is None else {"alg": "HS256", "typ": typ}
    with pytest.raises(TokenError):
        reads(signed(header, GOOD), KEY, typ=wanted)


@pytest.mark.rfc("7515", "4.1.9")
@pytest.mark.threat("JWT-kinds")
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_a_token_of_the_right_kind_is_taken_in_any_spelling(typ: str) -> None:
    assert reads(signed({"alg": "HS256", "typ": typ}, GOOD), KEY, typ="at+jwt")


@pytest.mark.rfc("7519", "4.1.5")
@pytest.mark.rfc("7519", "4.1.6")
@pytest.mark.rfc("7519", "4.1.4")
@pytest.mark.threat("JWT-time", off=[TYPES, "admit.jose.claims:check_times"])
@pytest.mark.parametrize(
    "changed",
    [
        {"exp": int(NOW) - 61},
        {"exp": int(NOW) - 30},
        {"exp": 0},
        {"exp": ...},
        {"exp": None},
        {"exp": str(int(NOW) + 300)},
        {"exp": True},
        {"exp": -1},
        {"exp": [int(NOW) + 300]},
        {"nbf": int(NOW) + 61},
        {"nbf": "0"},
        {"nbf": None},
        {"nbf": False},
        {"iat": int(NOW) + 61},
        {"iat": "now"},
        {"iat": -5},
    ],
    ids=repr,
)
def test_a_token_out_of_its_time_or_with_odd_times_is_refused(changed: dict) -> None:
    with pytest.raises(TokenError):
        reads(claims(**changed), KEY)


@pytest.mark.threat("JWT-time", off=["admit.jose.json:loads_object", TYPES])
@pytest.mark.parametrize("number", [b"1e400", b"Infinity"])
def test_a_time_without_end_is_refused(number: bytes) -> None:
    text = json.dumps(GOOD).encode().replace(str(GOOD["exp"]).encode(), number)
    with pytest.raises(TokenError):
        reads(signed({"alg": "HS256"}, text), KEY, accept_expired=Waive.EXPIRY)


@pytest.mark.threat("JWT-time")
def test_leeway_is_thirty_seconds_unless_said() -> None:
    assert reads(claims(exp=int(NOW) - 29), KEY)
    assert reads(claims(nbf=int(NOW) + 30), KEY)
