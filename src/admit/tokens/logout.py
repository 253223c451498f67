"""The logout token, OpenID Connect Back-Channel Logout 1.0 §2.4: an issuer's word that a session of a user is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from admit.errors import AudienceError, ClaimError, ExpiredTokenError
from admit.jose import JWK, JWKSet, jws
from admit.jose import claims as jose_claims
from admit.jose.waive import Waive
from admit.tokens import carried, kinds, members, size

TYP = "logout+jwt"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
LIFETIME = timedelta(minutes=2)
"""From `iat` to `exp` of those signed here, §4: at most two minutes."""
MAX_AGE = timedelta(minutes=5)
"""Since `iat`. Not every issuer writes `exp`, and some deliver by a queue."""
LEEWAY = timedelta(seconds=30)
MAX_NAME = 1_024
"""Characters of a subject, a session id or a `jti`: all of them are kept for a while."""

# Absent and `JWT` as well: explicit typing is recommended only, §2.4. The claims tell the kind apart then.
_TYPES = frozenset({TYP, "JWT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutToken:
    """What one logout token says. `audience` is the client's id; times are seconds since the epoch.

    With a `session_id` that session is over, without one all sessions of the `subject`. `exp` is None where the issuer
    wrote none.
    """

    issuer: str
    audience: str
    iat: float
    jti: str
    exp: float | None = None
    subject: str | None = None
    session_id: str | None = None


def claims(token: LogoutToken) -> dict[str, Any]:
    """The claims to sign, §2.4.

    Raises:
        ClaimError: neither subject nor session is named, a name is empty, or the lifetime is not positive.
    """
    exp = token.iat + LIFETIME.total_seconds() if token.exp is None else token.exp
    if not exp > token.iat:
        raise ClaimError("exp", "the lifetime is not positive")
    written: dict[str, Any] = {
        "iss": token.issuer,
        "aud": token.audience,
        "iat": int(token.iat),
        "exp": int(exp),
        "jti": token.jti,
        "events": {EVENT: {}},
    }
    if token.subject is not None:
        written["sub"] = token.subject
    if token.session_id is not None:
        written["sid"] = token.session_id
    for name in ("iss", "aud", "jti"):
        if not written[name]:
            raise ClaimError(name, f"{name} is empty")
    read_names(written)
    return written


def sign(token: LogoutToken, key: JWK) -> str:
    """Sign a logout token, `typ` `logout+jwt`. Without `exp` it lives for two minutes.

    Raises:
        ClaimError: as `claims`.
        InvalidKeyError: a status key, or one that may not sign.
    """
    kinds.check_signing_key(key.kid, kinds.LOGOUT)
    payload = claims(token)
    return size.sign_within(payload, key, typ=TYP)


def verify(
    token: str | bytes | jws.UnverifiedJws,
    key: JWK | JWKSet,
    *,
    issuer: str,
    audience: str | frozenset[str],
    now: float,
    leeway: timedelta = LEEWAY,
    max_age: timedelta = MAX_AGE,
) -> LogoutToken:
    """Verify a logout token as the client `audience` (or one of several), §2.6. Replays are the caller's to notice.

    Every audience named has to be ours. `exp` is held where it is written; `iat` is never more than `max_age` ago.

    Raises:
        TokenError: a subclass for each rule.
        ConfigError: an argument that cannot work, such as an empty audience.
    """
    token = carried.as_text(token)
    policy = jose_claims.ClaimPolicy(
        issuer=issuer,
        audience=audience,
        typ=_TYPES,
        leeway=leeway,
        max_age=max_age,
        accept_expired=Waive.EXPIRY,  # held below, where there is one
    )
    found = jose_claims.verify(token, key, policy, now)
    kinds.check_verified_by(key, token, kinds.LOGOUT)
    kinds.check_claims(found, kinds.LOGOUT)
    check_event(found)
    check_expiry(found, now, leeway)
    check_audience(found, policy.audiences)
    subject, session_id = read_names(found)
    return LogoutToken(
        issuer=members.text(found, "iss"),
        audience=min(members.audience(found)),
        iat=members.instant(found, "iat"),
        exp=members.instant(found, "exp") if "exp" in found else None,
        jti=members.short_text(found, "jti", MAX_NAME),
        subject=subject,
        session_id=session_id,
    )


def check_event(payload: Mapping[str, Any]) -> None:
    """`events` has the member of a logout, and that is an object, §2.4.

    Raises:
        ClaimError: it has not.
    """
    events = payload.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise ClaimError("events", "events tells of no logout")


def check_expiry(payload: Mapping[str, Any], now: float, leeway: timedelta) -> None:
    """`exp`, where there is one, has not passed.

    Raises:
        ExpiredTokenError: it has.
    """
    exp = payload.get("exp")
    if exp is not None and not now < exp + leeway.total_seconds():
        raise ExpiredTokenError(detail="the token expired")


def check_audience(payload: Mapping[str, Any], ours: frozenset[str]) -> None:
    """Nobody else is named in `aud`: a token that two clients take can be handed from one to the other.

    Raises:
        AudienceError: there is another audience.
    """
    if not members.audience(payload) <= ours:
        raise AudienceError(detail="aud names others too")


def read_names(payload: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """`sub` and `sid`, of which there is at least one, §2.4.

    Raises:
        ClaimError: neither is there, or one is empty, too long or no string.
    """
    subject = members.short_text(payload, "sub", MAX_NAME) if "sub" in payload else None
    session_id = members.short_text(payload, "sid", MAX_NAME) if "sid" in payload else None
    if subject is None and session_id is None:
        raise ClaimError("sub", "neither sub nor sid")
    return subject, session_id
