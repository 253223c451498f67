"""What the OpenAPI document says of one method of one endpoint. It stands beside the handler, so that both change
together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from admit.issuer.clients.rules import SESSIONS_SCOPE

FRESH: Final = "a session must have been begun, or confirmed by the password, a short while ago; else 403."


class Who(Enum):
    """Who may call."""

    ANYBODY = "anybody"
    """Without any credential."""
    SESSION = "session"
    """By the session cookie only."""
    USER = "user"
    """By the session cookie, or by an access token with the operation's scope."""
    OPERATOR = "operator"
    """As USER, and with the role `admit:admin`."""
    CLIENT = "client"
    """An application, by its id and secret where it has one."""
    RESOURCE = "resource"
    """An API, by its id and secret."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer means, and the name of its schema."""

    text: str
    shape: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`shape` names the schema of the answer, None where it has no body; `flags` are its boolean query parameters."""

    id: str
    summary: str
    who: Who
    shape: str | None
    flags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    scope: str = SESSIONS_SCOPE
    """What an access token wants for it."""
    missing: str | None = None
    """What a 404 means."""
    takes: str | None = None
    """The schema of the body that it wants, None for none."""
    fresh: str | None = None
    """When a session must have been begun, or confirmed by the password, a short while ago."""
    signs_out: bool = False
    """Whether the answer may take the session cookie back."""
    signs_in: bool = False
    """Whether the answer may set the cookies of a sign-in."""
    refusals: Mapping[str, Told] = field(default_factory=lambda: MappingProxyType({}))
    """What its refusals mean by status, where that is not what they mean everywhere."""
