"""Security event tokens: who sent them, what happened, and when."""

from typing import Any

import pytest

from admit.errors import AudienceError, ClaimError, IssuerError, NotYetValidError, TokenTypeError
from admit.jose import JWK, JWKSet, json, jws
from admit.tokens import security_event
from admit.tokens.security_event import SESSION_REVOKED, SecurityEventToken

ISSUER = "https://login.example.com"
NOW = 1_800_000_000
KEY = JWK.generate("ES256", kid="k1")
ALICE = {"format": "iss_sub", "iss": ISSUER, "sub": "alice"}


def signed(typ: str | None = "secevent+jwt", **changes: Any) -> str:
    whole = {
        "iss": ISSUER,
        "aud": "shop",
        "iat": NOW,
        "jti": "e1",
        "sub_id": ALICE,
        "events": {SESSION_REVOKED: {"event_timestamp": NOW - 5}},
        **changes,
    }
    kept = {name: value for name, value in whole.items() if value is not None}
    return jws.sign(json.dumps_object(kept), KEY, typ=typ)


def read(token: str, now: float = NOW) -> SecurityEventToken:
    return security_event.verify(token, JWKSet([KEY.public()]), issuer=ISSUER, audience="shop", now=now)


@pytest.mark.rfc("8417", "2.2")
def test_an_event_is_read() -> None:
    found = read(signed())
    (event,) = found.events
    assert (found.issuer, found.jti, found.iat) == (ISSUER, "e1", NOW)
    assert (event.type, event.happened, event.subject) == (SESSION_REVOKED, NOW - 5, ALICE)


@pytest.mark.rfc("8417", "2.3")
@pytest.mark.parametrize("typ", ["JWT", None, "at+jwt", "logout+jwt"])
def test_the_type_is_demanded(typ: str | None) -> None:
    with pytest.raises(TokenTypeError):
        read(signed(typ))


@pytest.mark.threat("JWT-kinds", off="admit.tokens.kinds:check_claims")
@pytest.mark.parametrize("name", ["sub", "exp", "sid", "nonce", "client_id"])
def test_a_claim_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(TokenTypeError):
        read(signed(**{name: NOW + 100 if name == "exp" else "x"}))


@pytest.mark.parametrize("name", ["iss", "aud", "iat", "jti", "events", "sub_id"])
def test_each_required_claim_is_required(name: str) -> None:
    with pytest.raises(ClaimError):
        read(signed(**{name: None}))


def test_another_transmitters_or_receivers_is_refused() -> None:
    with pytest.raises(IssuerError):
        read(signed(iss="https://evil.example"))
    with pytest.raises(AudienceError):
        read(signed(aud=["another"]))
    assert read(signed(aud=["another", "shop"])).jti == "e1"


def test_it_may_be_old_and_not_of_the_future() -> None:
    assert read(signed(), NOW + 1_000_000).jti == "e1"
    with pytest.raises(NotYetValidError):
        read(signed(), NOW - 31)


@pytest.mark.parametrize("events", [{}, [], "x", {SESSION_REVOKED: None}, {SESSION_REVOKED: []}])
def test_events_are_objects(events: Any) -> None:
    with pytest.raises(ClaimError):
        read(signed(events=events))


def test_there_are_not_too_many_events() -> None:
    assert len(read(signed(events={f"https://e.example/{n}": {} for n in range(16)})).events) == 16
    with pytest.raises(ClaimError):
        read(signed(events={f"https://e.example/{n}": {} for n in range(17)}))


@pytest.mark.parametrize(
    ("event", "toe", "expected"),
    [
        ({}, None, NOW),
        ({}, NOW - 9, NOW - 9),
        ({"event_timestamp": NOW - 3}, NOW - 9, NOW - 3),
        ({"event_timestamp": NOW + 50}, None, NOW),
        ({"event_timestamp": NOW * 1_000}, None, NOW),
    ],
    ids=["iat", "toe", "its own", "ahead", "milliseconds"],
)
def test_when_it_happened(event: dict[str, Any], toe: float | None, expected: float) -> None:
    assert read(signed(events={SESSION_REVOKED: event}, toe=toe)).events[0].happened == expected


@pytest.mark.parametrize("at", ["now", True, -1, None])
def test_a_time_that_is_none_is_refused(at: Any) -> None:
    with pytest.raises(ClaimError):
        read(signed(events={SESSION_REVOKED: {"event_timestamp": at}}))


def test_an_event_that_names_its_own_subject_as_drafts_had_it_is_read() -> None:
    bob = {"subject_type": "iss-sub", "iss": ISSUER, "sub": "bob"}
    found = read(signed(sub_id=None, events={security_event.ACCOUNT_DISABLED: {"subject": bob}}))
    assert found.events[0].subject == bob


@pytest.mark.parametrize("sub_id", ["alice", [], 1])
def test_a_subject_is_an_object(sub_id: Any) -> None:
    with pytest.raises(ClaimError):
        read(signed(sub_id=sub_id))
