"""A remembered consent as a frozen value. Times are seconds since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What a user answered a client for one audience. `shown` holds every scope that was asked about, with the version
    of the words it was asked in; `granted` are those of them that the user said yes to. `given_at`: the last answer.
    """

    client_id: str
    audience: str
    granted: frozenset[str] = frozenset()
    shown: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    given_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person answers now: the versions of all that was shown, and the scopes that were left ticked."""

    granted: frozenset[str]
    shown: Mapping[str, str]
