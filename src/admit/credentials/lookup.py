"""The JSON of `POST /session/lookup`: a session's principal on its way from the issuer to an API, and back to a value.

Both ends use this file, so a principal looked up from afar equals the one looked up in place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Any, NamedTuple

from admit.errors import LookupUnavailableError, MalformedTokenError
from admit.jose import json
from admit.principal import ByReference, CredentialKind, Principal

_SCALARS = frozenset({str, int, float, bool, type(None)})
MAX_SIZE = 262_144
"""Octets of an answer; a thousand groups have a tenth of it."""


class StatusRef(NamedTuple):
    """Where a session's bit stands: `list` and `position`, Token Status List §4."""

    list: int
    position: int


@dataclass(frozen=True, slots=True)
class Found:
    """A live session for one audience. `expires_at` is when it ends by itself, in seconds since the epoch."""

    principal: Principal
    status: StatusRef
    expires_at: float


def encode(found: Found) -> bytes:
    """`{principal, status: {n, idx}, expires_at}` as compact JSON."""
    return json.dumps_object(
        {
            "principal": principal_to_dict(found.principal),
            "status": {"n": found.status.list, "idx": found.status.position},
            "expires_at": found.expires_at,
        }
    )


def decode(data: bytes) -> Found:
    """The answer of a look-up.

    Raises:
        LookupUnavailableError: not such an answer. What cannot be read is no answer, neither yes nor no.
    """
    try:
        whole = json.loads_object(data, max_size=MAX_SIZE)
        status = whole["status"]
        return Found(
            principal_from_dict(whole["principal"]),
            StatusRef(_index(status["n"]), _index(status["idx"])),
            _number(whole["expires_at"]),
        )
    except (MalformedTokenError, KeyError, TypeError, ValueError):
        raise LookupUnavailableError("the look-up's answer is malformed") from None


def principal_to_dict(principal: Principal) -> dict[str, Any]:
    """A principal as JSON's types; sets are sorted, what is None is left out."""
    groups = principal.groups
    written: dict[str, Any] = {
        "issuer": principal.issuer,
        "subject": principal.subject,
        "client_id": principal.client_id,
        "audience": sorted(principal.audience),
        "scopes": sorted(principal.scopes),
        "roles": sorted(principal.roles),
        "groups": {"endpoint": groups.endpoint} if isinstance(groups, ByReference) else sorted(groups),
        "amr": list(principal.amr),
        "credential": principal.credential.value,
        "claims": _plain(principal.claims),
    }
    if principal.actor is not None:
        written["actor"] = _plain(principal.actor)
    for name in ("session_id", "token_id", "auth_time", "acr", "expires_at"):
        value = getattr(principal, name)
        if value is not None:
            written[name] = value
    return written


def principal_from_dict(members: Mapping[str, Any]) -> Principal:
    """The principal that `principal_to_dict` wrote.

    Raises:
        KeyError, TypeError, ValueError: it did not write this.
    """
    groups = members["groups"]
    actor = members.get("actor")
    return Principal(
        issuer=_text(members["issuer"]),
        subject=_text(members["subject"]),
        client_id=_text(members["client_id"]),
        audience=_names(members["audience"]),
        scopes=_names(members["scopes"]),
        roles=_names(members["roles"]),
        groups=ByReference(_text(groups["endpoint"])) if isinstance(groups, dict) else _names(groups),
        actor=None if actor is None else MappingProxyType(_mapping(actor)),
        session_id=_optional_text(members, "session_id"),
        token_id=_optional_text(members, "token_id"),
        auth_time=_number(members["auth_time"]) if "auth_time" in members else None,
        acr=_optional_text(members, "acr"),
        amr=tuple(_texts(members["amr"])),
        expires_at=_number(members["expires_at"]) if "expires_at" in members else None,
        credential=CredentialKind(members["credential"]),
        claims=MappingProxyType(_mapping(members["claims"])),
    )


def _plain(value: Any) -> Any:
    """Read-only views as plain containers, all the way down."""
    # A hot path: most values are texts and numbers; asking whether one is a Mapping takes longer than all else here.
    if value.__class__ in _SCALARS:
        return value
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _optional_text(members: Mapping[str, Any], name: str) -> str | None:
    return _text(members[name]) if name in members else None


def _texts(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return [_text(item) for item in value]


def _names(value: object) -> frozenset[str]:
    return frozenset(_texts(value))


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _index(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("not an index")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise TypeError("not a number of seconds")
    return value
