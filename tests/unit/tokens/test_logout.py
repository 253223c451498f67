"""The logout token, by each of its rules."""

from datetime import timedelta
from typing import Any

import pytest

from admit.errors import (
    AdmitError,
    AudienceError,
    ClaimError,
    ExpiredTokenError,
    InvalidKeyError,
    IssuerError,
    NotYetValidError,
    SignatureError,
    TokenTypeError,
)
from admit.jose import JWK, JWKSet, json, jws
from admit.tokens import logout
from admit.tokens.logout import LogoutToken

ISSUER = "https://login.example.com"
CLIENT = "shop"
NOW = 1_800_000_000
KEY = JWK.generate("ES256", kid="k1")
KEYS = JWKSet([KEY.public()])


def claims(**changes: Any) -> dict[str, Any]:
    found = logout.claims(
        LogoutToken(issuer=ISSUER, audience=CLIENT, iat=NOW, jti="j1", subject="alice", session_id="s1")
    )
    return {name: value for name, value in {**found, **changes}.items() if value is not None}


def signed(typ: str | None = "logout+jwt", **changes: Any) -> str:
    return jws.sign(json.dumps_object(claims(**changes)), KEY, typ=typ)


def read(token: str, now: float = NOW, **changes: Any) -> LogoutToken:
    return logout.verify(token, KEYS, **{"issuer": ISSUER, "audience": CLIENT, "now": now, **changes})


@pytest.mark.parametrize(
    "who", [{"subject": "alice"}, {"session_id": "s1"}, {"subject": "alice", "session_id": "s1"}]
)
def test_what_was_signed_is_read_again(who: dict[str, str]) -> None:
    token = LogoutToken(issuer=ISSUER, audience=CLIENT, iat=NOW, exp=NOW + 60, jti="j1", **who)
    assert read(logout.sign(token, KEY)) == token


def test_one_that_is_signed_here_lives_for_two_minutes() -> None:
    token = logout.sign(LogoutToken(issuer=ISSUER, audience=CLIENT, iat=NOW, jti="j", subject="a"), KEY)
    assert jws.peek_unverified_header(token)["typ"] == "logout+jwt"
    assert jws.peek_unverified_claims(token) == {
        "iss": ISSUER,
        "aud": CLIENT,
        "iat": NOW,
        "exp": NOW + 120,
        "jti": "j",
        "sub": "a",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }


@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "LOGOUT+JWT", "JWT", "jwt", None])
def test_explicit_typing_is_recommended_and_not_demanded(typ: str | None) -> None:
    assert read(signed(typ)).subject == "alice"


@pytest.mark.parametrize("typ", ["at+jwt", "secevent+jwt", "dpop+jwt", "logout", ""])
def test_another_type_is_refused(typ: str) -> None:
    with pytest.raises(TokenTypeError):
        read(signed(typ))


@pytest.mark.threat("EXT-logout", off="admit.tokens.logout:check_event")
@pytest.mark.parametrize(
    "events",
    [
        {},
        {"http://schemas.openid.net/event/backchannel-logout/": {}},
        {"http://schemas.openid.net/event/backchannel-logout": None},
        {"http://schemas.openid.net/event/backchannel-logout": True},
        {"http://schemas.openid.net/event/backchannel-logout": []},
        {"https://schemas.openid.net/event/backchannel-logout": {}},
    ],
)
def test_events_has_to_tell_of_a_logout(events: Any) -> None:
    with pytest.raises(ClaimError):
        read(signed(events=events))


@pytest.mark.parametrize("events", [[logout.EVENT], logout.EVENT, 1])
def test_events_of_another_type_are_refused(events: Any) -> None:
    with pytest.raises(ClaimError):
        read(signed(events=events))


def test_what_events_says_beside_is_ignored() -> None:
    assert read(signed(events={logout.EVENT: {"x": 1}, "https://example.com/other": {}})).jti == "j1"


@pytest.mark.threat("EXT-logout", off="admit.tokens.kinds:check_claims")
@pytest.mark.parametrize("name", ["nonce", "at_hash", "client_id", "scope", "sub_id", "toe", "htm"])
def test_a_claim_of_another_kind_of_token_is_refused(name: str) -> None:
    with pytest.raises(TokenTypeError):
        read(signed(**{name: "x"}))


@pytest.mark.parametrize("name", ["iss", "aud", "iat", "jti", "events"])
def test_each_required_claim_is_required(name: str) -> None:
    with pytest.raises(ClaimError):
        read(signed(**{name: None}))


def test_a_user_or_a_session_is_named() -> None:
    assert read(signed(sub=None)).session_id == "s1"
    assert read(signed(sid=None)).subject == "alice"
    with pytest.raises(ClaimError):
        read(signed(sub=None, sid=None))


@pytest.mark.parametrize("changes", [{"sub": ""}, {"sid": ""}, {"sid": 7}, {"sub": "x" * 1_025}, {"jti": ""}])
def test_names_are_texts_of_a_length(changes: dict[str, Any]) -> None:
    with pytest.raises(AdmitError):
        read(signed(**changes))


def test_another_issuers_is_refused() -> None:
    with pytest.raises(IssuerError):
        read(signed(iss="https://evil.example"))


@pytest.mark.threat("EXT-logout", off="admit.tokens.logout:check_audience")
def test_a_token_that_others_are_named_in_too_is_refused() -> None:
    assert read(signed(aud=[CLIENT])).audience == CLIENT
    with pytest.raises(AudienceError):
        read(signed(aud=[CLIENT, "another"]))


def test_a_token_for_somebody_else_is_refused() -> None:
    with pytest.raises(AudienceError):
        read(signed(aud="another"))
    assert read(signed(aud="another"), audience=frozenset({CLIENT, "another"})).audience == "another"


def test_an_old_token_is_refused_though_it_never_expires() -> None:
    assert read(signed(exp=None), NOW + 329).exp is None
    with pytest.raises(ExpiredTokenError):
        read(signed(exp=None), NOW + 331)
    with pytest.raises(ExpiredTokenError):
        read(signed(exp=NOW + 100_000), NOW + 331)
    assert read(signed(exp=NOW + 100_000), NOW + 331, max_age=timedelta(hours=1)).jti == "j1"


@pytest.mark.threat("EXT-logout", off="admit.tokens.logout:check_expiry")
def test_an_expired_token_is_refused() -> None:
    assert read(signed(), NOW + 149).exp == NOW + 120
    with pytest.raises(ExpiredTokenError):
        read(signed(), NOW + 150)


def test_a_token_of_the_future_is_refused() -> None:
    assert read(signed(), NOW - 30).jti == "j1"
    with pytest.raises(NotYetValidError):
        read(signed(), NOW - 31)


def test_a_forged_token_is_refused() -> None:
    other = JWK.generate("ES256", kid="k1")
    with pytest.raises(SignatureError):
        read(jws.sign(json.dumps_object(claims()), other, typ="logout+jwt"))


def test_a_status_key_signs_no_logout() -> None:
    status = JWK.generate("ES256", kid="status-1")
    token = LogoutToken(issuer=ISSUER, audience=CLIENT, iat=NOW, jti="j", subject="a")
    with pytest.raises(InvalidKeyError):
        logout.sign(token, status)
    text = jws.sign(json.dumps_object(claims()), status, typ="logout+jwt")
    with pytest.raises(TokenTypeError):
        logout.verify(text, JWKSet([status.public()]), issuer=ISSUER, audience=CLIENT, now=NOW)


@pytest.mark.parametrize(
    "changes",
    [{"subject": None, "session_id": None}, {"jti": ""}, {"exp": NOW}, {"subject": ""}, {"audience": ""}],
)
def test_nothing_is_signed_that_nobody_would_take(changes: dict[str, Any]) -> None:
    members: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": CLIENT,
        "iat": NOW,
        "jti": "j",
        "subject": "a",
        **changes,
    }
    with pytest.raises(ClaimError):
        logout.sign(LogoutToken(**members), KEY)
