"""Registered claims have exact types, and are checked against a policy."""

from datetime import timedelta
from typing import Any

import pytest

from admit import (
    AudienceError,
    ClaimError,
    ConfigError,
    ExpiredTokenError,
    IssuerError,
    MalformedTokenError,
    NotYetValidError,
    TokenError,
    TokenTypeError,
    Waive,
    jwt,
)
from admit.jose import ClaimPolicy, claims, jws
from tests.unit.jose.keys import API, ISS, KEYS, LIFETIME, NOW

KEY = KEYS["HS256"]
GOOD = {"iss": ISS, "sub": "alice", "aud": API, "iat": int(NOW), "exp": int(NOW) + 300}


def policy(**changed: Any) -> ClaimPolicy:
    return ClaimPolicy(**{"issuer": ISS, "audience": API, **changed})


def check(changed: dict[str, Any], wanted: ClaimPolicy | None = None, now: float = NOW) -> dict[str, Any]:
    """Sign claims with no check on the way out, then verify them."""
    members = {name: value for name, value in {**GOOD, **changed}.items() if value is not ...}
    import json

    token = jws.sign(json.dumps(members).encode(), KEY, typ="JWT")
    return claims.verify(token, KEY, wanted or policy(), now)


@pytest.mark.rfc("7519", "7.2")
def test_a_good_token_gives_its_claims() -> None:
    assert check({}) == GOOD
    assert check({"extra": {"a": [1, None]}})["extra"] == {"a": [1, None]}
    assert check({"iat": NOW + 0.5, "exp": NOW + 1.5, "nbf": NOW})["iat"] == NOW + 0.5


@pytest.mark.rfc("7519", "4.1.4")
def test_expiry_counts_with_leeway_to_the_second() -> None:
    assert check({"exp": int(NOW) - 29})
    for late in (30, 31, 61, 10**6):
        with pytest.raises(ExpiredTokenError):
            check({"exp": int(NOW) - late})
    with pytest.raises(ExpiredTokenError):
        check({"exp": int(NOW)}, policy(leeway=timedelta(0)))
    assert check({"exp": int(NOW) + 1}, policy(leeway=timedelta(0)))
    assert check({"exp": int(NOW) - 59}, policy(leeway=timedelta(seconds=60)))
    with pytest.raises(ClaimError, match="missing"):
        check({"exp": ...})


@pytest.mark.rfc("7519", "4.1.6")
@pytest.mark.rfc("7519", "4.1.5")
@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_time_ahead_counts_with_leeway_to_the_second(name: str) -> None:
    assert check({name: int(NOW) + 30})
    for early in (31, 61, 10**6):
        with pytest.raises(NotYetValidError):
            check({name: int(NOW) + early})


@pytest.mark.rfc("7519", "2")
@pytest.mark.rfc("7519", "4.1.4")
@pytest.mark.rfc("7519", "4.1.5")
@pytest.mark.rfc("7519", "4.1.6")
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1900000000", True, False, None, -1, -0.5, [1], {}, "now"])
def test_a_time_of_another_type_is_refused(name: str, value: object) -> None:
    for wanted in (policy(), policy(accept_expired=Waive.EXPIRY)):
        with pytest.raises(ClaimError):
            check({name: value}, wanted)


@pytest.mark.parametrize("number", [b"1e400", b"NaN", b"Infinity", b"9223372036854775808"])
def test_a_time_that_is_not_finite_or_too_big_is_refused(number: bytes) -> None:
    text = b'{"iss":"%s","aud":"%s","exp":%s}' % (ISS.encode(), API.encode(), number)
    with pytest.raises(MalformedTokenError):
        claims.verify(jws.sign(text, KEY), KEY, policy(), NOW)


NO_TIMES: list[Any] = [
    float("nan"), float("inf"), float("-inf"), -1.0, -(10**400), 10**400, 2**63, True, "1800000000", 1j, None,
]  # fmt: skip


@pytest.mark.threat("JWT-time", off="admit.jose.claims:check_moment")
@pytest.mark.parametrize("now", NO_TIMES, ids=lambda now: repr(now)[:12])
def test_a_clock_that_tells_no_time_refuses_whatever_the_token_says(now: Any) -> None:
    arguments: dict[str, Any] = {"issuer": ISS, "audience": API, "accept_expired": Waive.EXPIRY}
    for token in (jws.sign(b'{"iss":"%s","aud":"%s"}' % (ISS.encode(), API.encode()), KEY), "odd"):
        with pytest.raises(ConfigError):
            claims.verify(token, KEY, policy(accept_expired=Waive.EXPIRY), now)
        if now is not None:
            with pytest.raises(ConfigError):
                jwt.verify(token, KEY, now=now, **arguments)
    if now is not None:
        with pytest.raises(ConfigError):
            jwt.sign({}, KEY, issuer=ISS, audience=API, lifetime=timedelta(minutes=5), now=now)


@pytest.mark.parametrize("now", [0, 0.0, int(NOW), NOW, 2**62])
def test_a_clock_that_tells_a_time_signs_and_verifies(now: float) -> None:
    token = jwt.sign({}, KEY, issuer=ISS, audience=API, lifetime=timedelta(minutes=5), now=now)
    assert jwt.verify(token, KEY, issuer=ISS, audience=API, now=now)["iat"] == int(now)


def test_no_token_outlives_64_bits() -> None:
    for now in (2**63 - 300, 2.0**63, 1e300):
        with pytest.raises(ConfigError):
            jwt.sign({}, KEY, issuer=ISS, audience=API, lifetime=timedelta(minutes=5), now=now)


def test_a_clock_that_is_not_a_number_is_late_for_every_token() -> None:
    with pytest.raises(ExpiredTokenError):
        claims.check_times({"exp": 2**62}, policy(), float("nan"))


@pytest.mark.parametrize("number", [10**400, -(10**400), 2**63])
def test_a_time_beyond_64_bits_is_no_time(number: int) -> None:
    assert claims.is_numeric_date(2**63 - 1)
    for name in ("exp", "nbf", "iat"):
        with pytest.raises(ClaimError) as caught:
            claims.check_types({name: number})
        assert caught.value.claim == name


def test_what_is_done_to_the_audience_of_one_token_is_not_done_to_the_next() -> None:
    arguments: dict[str, Any] = {
        "issuer": ISS, "audience": frozenset({API, "b"}), "lifetime": timedelta(minutes=5), "typ": "JWT", "now": NOW,
    }  # fmt: skip
    whole = claims.whole_claims({}, **arguments)
    assert whole["aud"] == ["b", API]
    whole["aud"].append("mallory")
    assert claims.whole_claims({}, **arguments)["aud"] == ["b", API]
    del arguments["typ"]
    assert jws.peek_unverified_claims(jwt.sign({}, KEY, **arguments))["aud"] == ["b", API]


def test_expiry_is_given_up_by_name_only() -> None:
    waived = policy(accept_expired=Waive.EXPIRY)
    assert check({"exp": 1}, waived)["exp"] == 1
    assert check({"exp": ...}, waived)
    with pytest.raises(NotYetValidError):
        check({"exp": 1, "nbf": int(NOW) + 99}, waived)
    with pytest.raises(ConfigError):
        policy(accept_expired=True)


def test_max_age_bounds_the_time_since_iat() -> None:
    wanted = policy(max_age=timedelta(minutes=10))
    assert check({"iat": int(NOW) - 629}, wanted)
    with pytest.raises(ExpiredTokenError) as caught:
        check({"iat": int(NOW) - 630}, wanted)
    assert caught.value.claim == "iat"
    with pytest.raises(ClaimError):
        check({"iat": ...}, wanted)


@pytest.mark.rfc("8725", "3.9")
@pytest.mark.rfc("7519", "4.1.3")
def test_the_audience_is_named_exactly() -> None:
    assert check({"aud": [API]})
    assert check({"aud": ["other", API]})
    assert check({}, policy(audience=frozenset({API, "b"})))
    assert check({"aud": ["b"]}, policy(audience=frozenset({API, "b"})))
    odd = [
        ...,
        None,
        "",
        [],
        API + "/",
        API[:-1],
        API.upper(),
        [API[:-1]],
        [1],
        [API, 1],
        [[API]],
        {API: 1},
        1,
        True,
    ]
    for value in odd:
        for wanted in (policy(), policy(audience=frozenset({API, "b"}))):
            with pytest.raises(AudienceError):
                check({"aud": value}, wanted)
    assert check({"aud": ...}, policy(audience=Waive.AUDIENCE))
    with pytest.raises(AudienceError):
        check({"aud": [1]}, policy(audience=Waive.AUDIENCE))


@pytest.mark.rfc("7519", "7.3")
@pytest.mark.rfc("7519", "4.1.1")
def test_the_issuer_is_named_exactly() -> None:
    for value in (..., None, "", ISS + "/", ISS.upper(), [ISS], 1):
        with pytest.raises(IssuerError):
            check({"iss": value})
    assert check({"iss": "anyone"}, policy(issuer=Waive.ISSUER))
    with pytest.raises(IssuerError):
        check({"iss": [ISS]}, policy(issuer=Waive.ISSUER))


@pytest.mark.rfc("7519", "4.1.2")
@pytest.mark.rfc("7519", "4.1.7")
@pytest.mark.parametrize("name", ["sub", "jti"])
def test_sub_and_jti_are_strings_where_they_are(name: str) -> None:
    assert check({name: ...})
    for value in (1, None, ["a"], {}, True):
        with pytest.raises(ClaimError):
            check({name: value})


def test_required_claims_must_be_there() -> None:
    wanted = policy(require=frozenset({"sub", "sid"}))
    assert check({"sid": "a"}, wanted)
    for odd in ({}, {"sid": None}):
        with pytest.raises(ClaimError) as caught:
            check(odd, wanted)
        assert caught.value.claim == "sid"


@pytest.mark.rfc("7519", "5.1")
@pytest.mark.rfc("7515", "4.1.9")
@pytest.mark.rfc("8725", "3.11")
def test_typ_is_matched_as_a_media_type() -> None:
    def typed(typ: str | None, wanted: Any) -> None:
        claims.verify(claims.encode(GOOD, KEY, typ=typ), KEY, policy(typ=wanted), NOW)

    for typ in ("at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"):
        typed(typ, "at+jwt")
        typed(typ, frozenset({"application/AT+jwt", "x"}))
        typed(typ, Waive.TYP)
    for typ in (
        None,
        "",
        "JWT",
        "id+jwt",
        "at+jwt ",
        "text/at+jwt",
        "application/application/at+jwt",
        "at+jwt;a=b",
    ):
        with pytest.raises(TokenTypeError):
            typed(typ, "at+jwt")
    for typ in (None, "JWT", "jwt", "application/jwt"):
        typed(typ, "JWT")
    for typ in ("at+jwt", "", "logout+jwt"):
        with pytest.raises(TokenTypeError):
            typed(typ, "JWT")
    with pytest.raises(TokenTypeError):
        typed("to\u212aen+jwt", "token+jwt")
    # Only a type without any other slash may leave the prefix out.
    typed("application/text/plain", "application/text/plain")
    with pytest.raises(TokenTypeError):
        typed("application/text/plain", "text/plain")


def test_a_token_that_was_parsed_before_is_verified_like_its_text() -> None:
    good, other = (claims.encode(GOOD, key, typ="JWT") for key in (KEY, KEYS["HS384"]))
    assert claims.verify(jws.parse(good), KEY, policy(), NOW) == GOOD
    with pytest.raises(TokenError):
        claims.verify(jws.parse(other), KEY, policy(), NOW)
    with pytest.raises(ExpiredTokenError):
        claims.verify(jws.parse(good), KEY, policy(), NOW + 10**6)


@pytest.mark.rfc("7519", "4.1")
@pytest.mark.parametrize("name", ["iss", "sub", "jti"])
def test_a_claim_of_another_type_is_told_by_its_name(name: str) -> None:
    with pytest.raises(ClaimError) as caught:
        check({name: 7})
    assert caught.value.claim == name
    assert isinstance(caught.value, IssuerError) == (name == "iss")


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": ""},
        {"issuer": None},
        {"issuer": Waive.AUDIENCE},
        {"audience": ""},
        {"audience": None},
        {"audience": frozenset()},
        {"audience": [API]},
        {"audience": frozenset({""})},
        {"audience": Waive.ISSUER},
        {"typ": ""},
        {"typ": None},
        {"typ": frozenset()},
        {"leeway": timedelta(seconds=-1)},
        {"leeway": timedelta(seconds=61)},
        {"leeway": 30},
        {"max_age": timedelta(0)},
        {"max_age": 60},
        {"require": "sub"},
        {"require": frozenset({1})},
        {"accept_expired": Waive.TYP},
    ],
    ids=repr,
)
def test_a_policy_that_checks_nothing_by_accident_is_refused(changed: dict) -> None:
    with pytest.raises(ConfigError):
        policy(**changed)


@pytest.mark.parametrize("alg", KEYS)
def test_the_size_is_known_before_signing(alg: str) -> None:
    for extra in ("", "a", "ab", "abcé"):
        members = {**GOOD, "extra": extra}
        token = claims.encode(members, KEYS[alg], typ="at+jwt")
        assert claims.encoded_size(members, KEYS[alg], typ="at+jwt") == len(token)


@pytest.mark.parametrize(
    "odd",
    [
        {"sub": 1},
        {"exp": "1"},
        {"nbf": True},
        {"iat": -1},
        {"aud": []},
        {"x": {1}},
        {"x": float("nan")},
        {"exp": 10**400},
    ],
)
def test_claims_that_no_verifier_would_take_are_not_signed(odd: dict) -> None:
    for make in (claims.encode, claims.encoded_size):
        with pytest.raises(ClaimError):
            make({**GOOD, **odd}, KEY, typ="JWT")


@pytest.mark.rfc("7519", "7.1")
def test_sign_claims_adds_what_its_keywords_say() -> None:
    token = claims.sign_claims(
        {"sub": "alice"},
        KEY,
        issuer=ISS,
        audience=frozenset({"b", API}),
        lifetime=LIFETIME,
        typ="JWT",
        now=NOW + 0.9,
        jti="j",
    )
    expected = {**GOOD, "aud": ["b", API] if API > "b" else [API, "b"], "jti": "j"}
    assert claims.verify(token, KEY, policy(), NOW) == expected
