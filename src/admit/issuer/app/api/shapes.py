"""The values that the JSON API sends, each beside its schema: what is not written here does not leave."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

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
_ERROR = {
    "type": "object",
    "properties": {
        "error": _text("A code to branch on."),
        "error_description": _text("The same for people."),
        "error_id": _text("With status 500 and above: what to ask the operator about."),
    },
    "required": ["error", "error_description"],
    "additionalProperties": False,
}
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
    }
)
"""By the name that the OpenAPI document has for each."""
