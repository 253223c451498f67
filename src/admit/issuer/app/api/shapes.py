"""The values that the JSON API sends, each beside its schema: what is not written here does not leave."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from admit.issuer.app.api.login_steps import MAX_TEXT
from admit.issuer.clients.records import Client
from admit.issuer.consents.records import Remembered
from admit.issuer.factors.records import FactorsView
from admit.issuer.grants.records import Family
from admit.issuer.sessions.records import SessionEntry


def session(entry: SessionEntry, *, current: str | None) -> dict[str, Any]:
    """A session as its user sees it: the public id, never the cookie."""
    return {
        "id": entry.id,
        "current": entry.id == current,
        "created_at": int(entry.created_at),
        "last_seen_at": int(entry.last_seen_at),
        "expires_at": int(entry.expires_at),
        "user_agent": entry.user_agent,
        "ip": entry.ip,
        "name": entry.name,
        "unfamiliar": entry.unfamiliar,
    }


def sessions(entries: Iterable[SessionEntry], *, current: str | None) -> dict[str, Any]:
    """A list of them."""
    return {"sessions": [session(entry, current=current) for entry in entries]}


def grant(family: Family, client: Client | None) -> dict[str, Any]:
    """A grant as its user sees it; no token, and nothing that one is made of."""
    return {
        "id": family.id,
        "client_id": family.client_id,
        "client_name": client.name if client is not None else None,
        "scope": " ".join(sorted(family.scope)),
        "audience": family.audience,
        "offline": family.offline,
        "session_id": None if family.offline else family.session_id,
        "created_at": int(family.created_at),
        "used_at": int(family.used_at),
        "expires_at": int(family.expires_at),
    }


def grants(families: Iterable[Family], clients: Mapping[str, Client]) -> dict[str, Any]:
    """A list of them."""
    return {"grants": [grant(family, clients.get(family.client_id)) for family in families]}


def consent(given: Remembered, client: Client | None) -> dict[str, Any]:
    """What a user said yes to, as they see it."""
    return {
        "client_id": given.client_id,
        "client_name": client.name if client is not None else None,
        "audience": given.audience,
        "scope": " ".join(sorted(given.granted)),
        "given_at": int(given.given_at),
    }


def consents(given: Iterable[Remembered], clients: Mapping[str, Client]) -> dict[str, Any]:
    """A list of them."""
    return {"consents": [consent(one, clients.get(one.client_id)) for one in given]}


def ended(*, sessions: int = 0, grants: int = 0, within: float) -> dict[str, Any]:
    """How much was ended, and after how many seconds at most no API of this deployment takes its tokens."""
    return {"sessions": sessions, "grants": grants, "refused_within": within}


def second_factors(found: FactorsView) -> dict[str, Any]:
    """A user's authenticator apps; no secret, and of recovery codes only how many are left."""
    return {
        "second_factors": [
            {
                "id": one.id,
                "kind": "totp",
                "name": one.name or None,
                "created_at": int(one.created_at),
                "last_used_at": None if one.last_used_at is None else int(one.last_used_at),
            }
            for one in found.apps
        ],
        "recovery_codes_left": found.codes_left,
    }


def _object(**members: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


def _text(told: str, *, maybe: bool = False) -> dict[str, Any]:
    return {"type": ["string", "null"] if maybe else "string", "description": told}


def _short(told: str) -> dict[str, Any]:
    return {"type": "string", "maxLength": MAX_TEXT, "description": told}


def _time(told: str) -> dict[str, Any]:
    return {"type": "integer", "description": f"{told} Seconds since 1970-01-01 UTC."}


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


_SESSION = _object(
    id=_text("The public id, `sid` in tokens."),
    current={"type": "boolean", "description": "Whether the caller's own credential belongs to it."},
    created_at=_time("When the user signed in."),
    last_seen_at=_time("When it was used last, to the minute."),
    expires_at=_time("When it ends unless it is used."),
    user_agent=_text("What the browser said of itself when the user signed in.", maybe=True),
    ip=_text("From where the user signed in.", maybe=True),
    name=_text("What its user calls it; null where nothing was said.", maybe=True),
    unfamiliar={
        "type": "boolean",
        "description": "Whether it began on an unknown browser, and nobody has said yet that it was the user.",
    },
)
_SESSION_NAME = _object(
    name={"type": ["string", "null"], "maxLength": 60, "description": "One line; null takes the name away."}
)
_GRANT = _object(
    id=_text("The grant's id."),
    client_id=_text("The application's id."),
    client_name=_text("The application's name; null when the settings name it no more.", maybe=True),
    scope=_text("What was granted, RFC 6749 §3.3."),
    audience=_text("The API that its access tokens are for."),
    offline={"type": "boolean", "description": "Whether it goes on while the user is signed out."},
    session_id=_text("The session it ends with; null where `offline` is true.", maybe=True),
    created_at=_time("When it was granted."),
    used_at=_time("When its refresh token was used last."),
    expires_at=_time("When it ends at the latest."),
)
_CONSENT = _object(
    client_id=_text("The application's id."),
    client_name=_text("The application's name; null when there is no such application any more.", maybe=True),
    audience=_text("The API that it is about."),
    scope=_text("What it is given without being asked about again, RFC 6749 §3.3."),
    given_at=_time("When that was answered last."),
)
_OWN_SESSION = _object(
    csrf_token=_text("To be sent as X-CSRF-Token with each request that changes something."),
    sid=_text("The session's public id."),
    sub=_text("The user's id."),
    name=_text("The user's name."),
    expires_at=_time("When the session ends unless it is used."),
)
_ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {
        "error": _text("A code to branch on."),
        "error_description": _text("The same for people."),
        "error_id": _text("With status 500 and above: what to ask the operator about."),
    },
    "required": ["error", "error_description"],
    "additionalProperties": False,
}
_CLIENT_MEMBERS = {
    "client_id": _short("Which application calls, RFC 6749 §2.2; or by Basic."),
    "client_secret": _short("For one that has a secret, unless by Basic, RFC 6749 §2.3.1."),
    "client_assertion": _short("For one that signs with its own key, RFC 7523 §2.2."),
    "client_assertion_type": _short("With `client_assertion`, RFC 7521 §4.2."),
}
_FLOW_MEMBERS = {
    "flow": _short("That of the answer before; good for one step."),
    "device": _short(
        "That of the last sign-in on this device, if it is kept: strangers' guesses do not shut it out."
    ),
}


def _step(name: str, **members: Any) -> dict[str, Any]:
    every = {"step": {"type": "string", "enum": [name]}, **members}
    return _object(**every, **_FLOW_MEMBERS, **_CLIENT_MEMBERS) | {"required": ["flow", *every]}


_LOGIN_BEGIN = _object(
    session={"type": "boolean", "description": "A session of this browser, and no code: for the client's own pages."},
    code_challenge=_short("Of a code, RFC 7636 §4.3."),
    code_challenge_method=_short("`S256`."),
    scope=_short("RFC 6749 §3.3."),
    resource=_short("RFC 8707 §2."),
    nonce=_short("For the ID token, OpenID Connect Core §3.1.2.1."),
    acr_values=_short("The class of sign-in that is wanted, OpenID Connect Core §3.1.2.1."),
    max_age={
        "type": "integer", "minimum": 0, "maximum": 10**9,
        "description": "Seconds, OpenID Connect Core §3.1.2.1; a sign-in by this endpoint is always a new one.",
    },
    **_CLIENT_MEMBERS,
) | {"required": []}  # fmt: skip
_LOGIN_PASSWORD = _step(
    "password",
    username=_short("What the person signs in by."),
    password={"type": "string", "description": "To the octet as it was typed."},
)
_NEXT = {
    "type": "array",
    "items": {"type": "string", "enum": ["password", "totp", "recovery_code"]},
    "description": "The steps that it is good for: any one of them.",
}
_LOGIN_GOING_ON = _object(
    flow=_text("For the next step, and for nothing else."),
    next=_NEXT,
    expires_in={"type": "integer", "description": "Seconds until the sign-in has to be done."},
)
_LOGIN_CODE = _object(
    authorization_code=_text(
        "For the token endpoint, with the `code_verifier` and without a `redirect_uri`."
    ),
    iss=_text("The issuer, RFC 9207."),
    expires_in={"type": "integer", "description": "Seconds for which the code is good."},
    device=_text("To be kept on the device, and sent as `device` with the next sign-in."),
)
_LOGIN_REFUSED: dict[str, Any] = _ERROR | {
    "properties": {**_ERROR["properties"], **_LOGIN_GOING_ON["properties"]}
}
_ENDED = _object(
    sessions={
        "type": "integer",
        "description": "How many sessions were ended, with all that hung from them.",
    },
    grants={
        "type": "integer",
        "description": "How many grants were ended that did not hang from one of those.",
    },
    refused_within={
        "type": "number",
        "description": "Seconds after which no API takes an access token of what was ended; usually much sooner.",
    },
)
_SECOND_FACTOR = _object(
    id=_text("The app's id."),
    kind={"type": "string", "enum": ["totp"], "description": "An authenticator app, RFC 6238."},
    name=_text("What its user calls it; null where nothing was said.", maybe=True),
    created_at=_time("When it was added."),
    last_used_at={
        "type": ["integer", "null"],
        "description": "When a code of it was used last. Seconds since 1970-01-01 UTC.",
    },
)
SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "OwnSession": _OWN_SESSION,
        "Session": _SESSION,
        "SessionName": _SESSION_NAME,
        "Sessions": _object(sessions=_list_of("Session")),
        "Grant": _GRANT,
        "Grants": _object(grants=_list_of("Grant")),
        "Consent": _CONSENT,
        "Consents": _object(consents=_list_of("Consent")),
        "Ended": _ENDED,
        "SecondFactor": _SECOND_FACTOR,
        "SecondFactors": _object(
            second_factors=_list_of("SecondFactor"),
            recovery_codes_left={"type": "integer", "description": "How many can still be used."},
        ),
        "Error": _ERROR,
        "LoginStep": {
            "oneOf": [
                _LOGIN_BEGIN,
                _LOGIN_PASSWORD,
                _step("totp", code=_short("Of the person's authenticator app, RFC 6238.")),
                _step("recovery_code", code=_short("One of those that the person has kept.")),
            ]
        },
        "LoginAnswer": {"oneOf": [_LOGIN_GOING_ON, _LOGIN_CODE, _object(session=_OWN_SESSION)]},
        "LoginRefused": _LOGIN_REFUSED,
    }
)
"""By the name that the OpenAPI document has for each."""
