"""What a case of the suite is: how a request is carried, and what it is answered. `cases` has the list."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest

from tests.contract.services import Headers, Issuer, by_session, by_token

MODES = ("session", "token")

Carrier = Callable[[Issuer], Headers]
"""The headers that carry a credential. It may change what the issuer says, first."""

GOOD: Mapping[str, Carrier] = MappingProxyType({"session": by_session, "token": by_token})


def nothing(issuer: Issuer) -> Headers:
    return []


NOTHING: Mapping[str, Carrier] = MappingProxyType({"session": nothing, "token": nothing})


@dataclass(frozen=True, slots=True)
class In:
    """Alice is let in. `questions`: how often the token was verified, or the session looked up, where that matters."""

    carried: str | None = None
    """How she was carried, if not as the mode says."""
    questions: int | None = None
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Stranger:
    """The route is reached by nobody in particular."""


@dataclass(frozen=True, slots=True)
class Out:
    """Nobody is let in. `challenge`: what `WWW-Authenticate` says behind its realm; None: no such header."""

    status: int
    error: str
    challenge: str | None = None
    looked_up: bool = False
    """Whether a session was looked up, though the request was forged: it was not so from the first."""


@dataclass(frozen=True, slots=True)
class Framework:
    """The framework answers by itself, with one of these, and no route is reached."""

    statuses: frozenset[int]


@dataclass(frozen=True, slots=True)
class Case:
    """One request and what it is answered, in each mode of `by` and by every integration.

    `row` is where it counts in the table. Where `by` has one mode only, `why` says why. `having` is what the issuer
    says of Alice; `then` happens after the same request was let in once. `needs` is what a framework may lack. `query`
    stands behind the path, and `waived` are the paths at which a token may stand there. `caches` is the `Cache-Control`
    of an answer by cookie that is somebody's; it varies by the cookie in any case.
    """

    row: str
    name: str
    path: str
    answer: "In | Out | Stranger | Framework | Mapping[str, In | Out | Stranger]"
    """In each mode the same, or by mode."""
    method: str = "GET"
    by: Mapping[str, Carrier] = field(default_factory=lambda: GOOD)
    why: str = ""
    also: Headers | Callable[[Issuer], Headers] = field(default_factory=list)
    having: Mapping[str, Any] = field(default_factory=dict)
    then: Callable[[Issuer], None] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    socket: bool = False
    denial: bool = True
    needs: str = ""
    query: Callable[[Issuer], str] | None = None
    waived: tuple[str, ...] = ()
    caches: str = ""
    marks: tuple[pytest.MarkDecorator, ...] = ()

    def __post_init__(self) -> None:
        check_modes(self)

    @property
    def id(self) -> str:
        return f"{self.row}: {self.name}"

    def answer_in(self, mode: str) -> "In | Out | Stranger | Framework":
        return self.answer[mode] if isinstance(self.answer, Mapping) else self.answer


def check_modes(case: Case) -> None:
    """A guard that behaves otherwise by session than by token is the very mistake that this suite is for."""
    if not set(case.by) <= set(MODES) or not case.by:
        raise pytest.UsageError(f"{case.row}: {case.name}: modes are {MODES}")
    if len(case.by) < len(MODES) and not case.why:
        raise pytest.UsageError(f"{case.row}: {case.name}: is for one mode only, and does not say why")
