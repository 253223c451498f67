"""Security event tokens (SETs), RFC 8417, as OpenID Shared Signals Framework 1.0 profiles them: CAEP 1.0 and RISC 1.0.

They say that something happened to a user or a session. Which of them end access is in `ENDING`; all others are taken
note of and answered as received.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from admit.errors import ClaimError
from admit.jose import JWK, JWKSet, jws
from admit.jose import claims as jose_claims
from admit.jose.waive import Waive
from admit.tokens import carried, kinds, members

TYP = "secevent+jwt"
LEEWAY = timedelta(seconds=30)
MAX_NAME = 1_024
MAX_EVENTS = 16

_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC = "https://schemas.openid.net/secevent/risc/event-type/"
_SSF = "https://schemas.openid.net/secevent/ssf/event-type/"

SESSION_REVOKED = _CAEP + "session-revoked"
CREDENTIAL_CHANGE = _CAEP + "credential-change"
ACCOUNT_DISABLED = _RISC + "account-disabled"
ACCOUNT_PURGED = _RISC + "account-purged"
ACCOUNT_CREDENTIAL_CHANGE_REQUIRED = _RISC + "account-credential-change-required"
CREDENTIAL_COMPROMISE = _RISC + "credential-compromise"
SESSIONS_REVOKED = _RISC + "sessions-revoked"
"""RISC §2.11, given up for CAEP's event and still sent."""
VERIFICATION = _SSF + "verification"
STREAM_UPDATED = _SSF + "stream-updated"

ENDING = frozenset(
    {
        SESSION_REVOKED,
        CREDENTIAL_CHANGE,
        ACCOUNT_DISABLED,
        ACCOUNT_PURGED,
        ACCOUNT_CREDENTIAL_CHANGE_REQUIRED,
        CREDENTIAL_COMPROMISE,
        SESSIONS_REVOKED,
    }
)
"""Events after which tokens issued before are refused. Whoever may still come in gets a new one by refreshing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """One event of a SET. `subject` is its subject identifier as it was sent, RFC 9493.

    `happened` is when it happened and `iat` when the SET was issued, in seconds since the epoch. `type` is a URI.
    """

    type: str
    subject: Mapping[str, Any] = field(repr=False)
    happened: float
    payload: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEventToken:
    """A verified SET. It has one event as a rule (SSF §4.1), several by RFC 8417."""

    issuer: str
    jti: str
    iat: float
    events: tuple[SecurityEvent, ...]


def verify(
    token: str | bytes | jws.UnverifiedJws,
    key: JWK | JWKSet,
    *,
    issuer: str,
    audience: str | frozenset[str],
    now: float,
    leeway: timedelta = LEEWAY,
) -> SecurityEventToken:
    """Verify a SET as the receiver `audience` (or one of several), RFC 8417 §4 and SSF §4.1.

    It may be old: a transmitter repeats what was not acknowledged. Replays are the caller's to notice.

    Raises:
        TokenError: a subclass for each rule.
        ConfigError: an argument that cannot work, such as an empty audience.
    """
    token = carried.as_text(token)
    policy = jose_claims.ClaimPolicy(
        issuer=issuer,
        audience=audience,
        typ=TYP,
        leeway=leeway,
        accept_expired=Waive.EXPIRY,  # SETs do not expire, RFC 8417 §2.2; one with `exp` is refused below
    )
    found = jose_claims.verify(token, key, policy, now)
    kinds.check_verified_by(key, token, kinds.SECURITY_EVENT)
    return read(found)


def read(payload: Mapping[str, Any]) -> SecurityEventToken:
    """The SET of claims whose signature, issuer, audience and times were verified.

    Raises:
        ClaimError: a claim is missing or has another type.
        TokenTypeError: they are the claims of another kind of token.
    """
    events = payload.get("events")
    if not isinstance(events, dict) or not 0 < len(events) <= MAX_EVENTS:
        raise ClaimError("events", "events is not an object with events")
    if not all(isinstance(event, dict) for event in events.values()):
        raise ClaimError("events", "an event is not an object")
    if "sub_id" in payload:
        subjects = dict.fromkeys(events, payload["sub_id"])
    else:  # as in drafts, where each event named its own subject
        subjects = {name: event.get("subject") for name, event in events.items()}
        payload = {**payload, "sub_id": subjects}
    kinds.check_claims(payload, kinds.SECURITY_EVENT)
    if not all(isinstance(subject, dict) for subject in subjects.values()):
        raise ClaimError("sub_id", "an event has no subject")
    iat = members.instant(payload, "iat")
    toe = members.instant(payload, "toe") if "toe" in payload else iat
    return SecurityEventToken(
        issuer=members.text(payload, "iss"),
        jti=members.short_text(payload, "jti", MAX_NAME),
        iat=iat,
        events=tuple(
            SecurityEvent(
                type=name, subject=subjects[name], happened=happened(event, toe=toe, iat=iat), payload=event
            )
            for name, event in events.items()
        ),
    )


def happened(event: Mapping[str, Any], *, toe: float, iat: float) -> float:
    """When an event happened: `event_timestamp` (CAEP §2), else `toe` (RFC 8417 §2.2); never after `iat`.

    Some write milliseconds. As seconds they lie far ahead, and so become `iat`.

    Raises:
        ClaimError: no number of seconds.
    """
    at = members.instant(event, "event_timestamp") if "event_timestamp" in event else toe
    return min(at, iat)
