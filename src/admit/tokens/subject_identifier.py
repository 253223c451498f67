"""Subject identifiers, RFC 9493 and OpenID Shared Signals Framework 1.0 §3: whom a security event is about.

Read into what tokens say: `sub`, `sid` or `jti`. Formats that name people by other means (mail, telephone, account)
map to nothing, since no token could be told by them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from admit.errors import ClaimError
from admit.tokens import members

MAX_NAME = 1_024
MAX_ALIASES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Tokens told by their claims. Subject and session together: that session of that user."""

    subject: str | None = None
    session_id: str | None = None
    token_id: str | None = None


Names = tuple[Named, ...]


def read(identifier: object, issuers: frozenset[str]) -> Names:
    """The tokens that a subject identifier is about; empty where its format says nothing that a token says.

    `issuers` are those whose subjects the transmitter may speak of: another's (`iss_sub`, `jwt_id`) are none of ours.

    Raises:
        ClaimError: malformed.
    """
    found = _object(identifier)
    named = found.get(
        "format", found.get("subject_type")
    )  # the latter in drafts, still sent by one large provider
    if named is None and ("user" in found or "session" in found):
        named = "complex"  # as in drafts, where a complex subject had no format
    if not isinstance(named, str):
        raise ClaimError("sub_id", "a subject identifier has no format")
    reader = _FORMATS.get(named.replace("-", "_"))
    return () if reader is None else reader(found, issuers)


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ClaimError("sub_id", "a subject identifier is not an object")
    return value


def _text(identifier: Mapping[str, Any], name: str) -> str:
    return members.short_text(identifier, name, MAX_NAME)


def _iss_sub(identifier: Mapping[str, Any], issuers: frozenset[str]) -> Names:
    """RFC 9493 §3.2.3."""
    issuer, subject = _text(identifier, "iss"), _text(identifier, "sub")
    return (Named(subject=subject),) if is_ours(issuer, issuers) else ()


def _jwt_id(identifier: Mapping[str, Any], issuers: frozenset[str]) -> Names:
    """SSF §3.5.1."""
    issuer, token_id = _text(identifier, "iss"), _text(identifier, "jti")
    return (Named(token_id=token_id),) if is_ours(issuer, issuers) else ()


def _opaque(identifier: Mapping[str, Any], _: frozenset[str]) -> Names:
    """RFC 9493 §3.2.5. It does not say what it names: a user, or a session in CAEP's own examples. So either."""
    name = _text(identifier, "id")
    return Named(subject=name), Named(session_id=name)


def _aliases(identifier: Mapping[str, Any], issuers: frozenset[str]) -> Names:
    """RFC 9493 §3.2.8: several names of one subject."""
    inner = identifier.get("identifiers")
    if not isinstance(inner, list) or not 0 < len(inner) <= MAX_ALIASES:
        raise ClaimError("sub_id", "aliases are a list of identifiers")
    if any(isinstance(one, dict) and one.get("format") in ("aliases", "complex") for one in inner):
        raise ClaimError("sub_id", "aliases are not nested")
    return tuple(dict.fromkeys(name for one in inner for name in read(one, issuers)))


def _complex(identifier: Mapping[str, Any], issuers: frozenset[str]) -> Names:
    """SSF §3.3: all members together tell the subject.

    What narrows it by other things, such as a device, is not heeded: tokens do not tell their device, and rather too
    many are refused than one too few. A session is told by its id alone where its user is named in another way.
    """
    users = _names(identifier, "user", issuers)
    subjects = list(dict.fromkeys(name.subject for name in users if name.subject is not None))
    sessions = _names(identifier, "session", issuers)
    ids = list(dict.fromkeys(name.session_id for name in sessions if name.session_id is not None))
    if not ids:
        return tuple(Named(subject=subject) for subject in subjects)
    if not subjects:
        return tuple(Named(session_id=one) for one in ids)
    return tuple(Named(subject=subject, session_id=one) for subject in subjects for one in ids)


def _names(identifier: Mapping[str, Any], member: str, issuers: frozenset[str]) -> Names:
    inner = identifier.get(member)
    if inner is None:
        return ()
    if _object(inner).get("format") == "complex":
        raise ClaimError("sub_id", "a complex subject is made of simple ones")
    return read(inner, issuers)


def is_ours(issuer: str, issuers: frozenset[str]) -> bool:
    """Whether the transmitter may speak of this issuer's subjects."""
    return issuer in issuers


_FORMATS: Mapping[str, Callable[[Mapping[str, Any], frozenset[str]], Names]] = MappingProxyType(
    {"iss_sub": _iss_sub, "opaque": _opaque, "aliases": _aliases, "complex": _complex, "jwt_id": _jwt_id}
)
