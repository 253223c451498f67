"""`EndView`: all ends that are held, as one request sees them. Immutable; asking it is a few look-ups, however many."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType

from admit.verifier.ends.end import End

_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class IssuerEnds:
    """The ends of one issuer. Values are the latest `before`; those of sessions and tokens do not matter."""

    subjects: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    sessions: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    tokens: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    no_session: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    """By subject, for tokens that name no session while a session of that subject ended."""

    def match(self, subject: str, session_id: str | None, token_id: str | None, iat: float | None) -> bool:
        """Whether one of these ends refuses a token. Without `iat` nothing shows that it is newer than the end."""
        before = self.subjects.get(subject)
        if before is not None and (iat is None or iat <= before):
            return True
        if token_id is not None and token_id in self.tokens:
            return True
        if session_id is not None:
            return session_id in self.sessions
        before = self.no_session.get(subject)
        return before is not None and (iat is None or iat <= before)


@dataclass(frozen=True, slots=True)
class EndView:
    """A snapshot of a store. `layers` are its ends by issuer: many older ones, and the few since.

    `since` is from when on no end can be missing, in seconds since the epoch: tokens issued earlier cannot be judged by
    a store that was lost, and are refused. `stamp` stands for this view where holding it would keep it in memory.
    """

    layers: Mapping[str, tuple[IssuerEnds, ...]] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    since: float = 0.0
    count: int = 0
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """How many of them each issuer told."""
    stamp: object = field(default_factory=object, repr=False, compare=False)

    def is_ended(
        self,
        issuer: str,
        subject: str,
        session_id: str | None = None,
        token_id: str | None = None,
        iat: float | None = None,
    ) -> bool:
        """Whether a token of that issuer was ended, or may have been. `iat` is in seconds since the epoch."""
        if self.since and is_unknown(iat, self.since):
            return True
        return self.names(issuer, subject, session_id, token_id, iat)

    def names(
        self, issuer: str, subject: str, session_id: str | None, token_id: str | None, iat: float | None
    ) -> bool:
        """Whether one of the ends that are held refuses it."""
        layers = self.layers.get(issuer)
        if layers is None:
            return False
        return any(layer.match(subject, session_id, token_id, iat) for layer in layers)


def is_unknown(iat: float | None, since: float) -> bool:
    """Whether a token was issued before the time from when on no end can be missing, or may have been."""
    return iat is None or iat < since


def collect(ends: Iterable[End]) -> dict[str, IssuerEnds]:
    """Ends by issuer, ready to be asked."""
    found: dict[str, tuple[dict[str, float], ...]] = {}
    for end in ends:
        subjects, sessions, tokens, no_session = found.setdefault(end.issuer, ({}, {}, {}, {}))
        if end.token_id is not None:
            tokens[end.token_id] = inf
        if end.session_id is not None:
            sessions[end.session_id] = inf
            if end.subject is not None:
                _raise(no_session, end.subject, end.before)
        elif end.subject is not None:
            _raise(subjects, end.subject, end.before)
    return {issuer: IssuerEnds(*kinds) for issuer, kinds in found.items()}


def merge(older: Mapping[str, IssuerEnds], newer: Mapping[str, IssuerEnds]) -> dict[str, IssuerEnds]:
    """Both as one; costs the size of the larger once, copied, and a step for each of the newer."""
    merged = dict(older)
    for issuer, ends in newer.items():
        old = merged.get(issuer, IssuerEnds())
        merged[issuer] = IssuerEnds(
            _latest(old.subjects, ends.subjects),
            {**old.sessions, **ends.sessions},
            {**old.tokens, **ends.tokens},
            _latest(old.no_session, ends.no_session),
        )
    return merged


def layered(
    older: Mapping[str, IssuerEnds], newer: Mapping[str, IssuerEnds]
) -> Mapping[str, tuple[IssuerEnds, ...]]:
    """What a view asks: for each issuer one layer or two."""
    names = older.keys() | newer.keys()
    return MappingProxyType(
        {name: tuple(layer[name] for layer in (newer, older) if name in layer) for name in names}
    )


def _latest(older: Mapping[str, float], newer: Mapping[str, float]) -> Mapping[str, float]:
    merged = dict(older)
    for name, before in newer.items():
        _raise(merged, name, before)
    return merged


def _raise(befores: dict[str, float], name: str, before: float) -> None:
    befores[name] = max(before, befores.get(name, before))
