"""What an issuer tells becomes ends: a logout token or a security event is verified, by the verifier's own keys."""

import asyncio
import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from admit.errors import ConfigError, IssuerError, KeyNotFoundError, KeysUnavailableError
from admit.jose import JWK, JWKSet, Waive, jws
from admit.jose import json as strict_json
from admit.tokens import logout, security_event, subject_identifier
from admit.tokens.logout import LogoutToken
from admit.tokens.security_event import SecurityEventToken
from admit.verifier import freshness
from admit.verifier import keys as key_rules
from admit.verifier.core import Core, Pending
from admit.verifier.ends.end import End
from admit.verifier.ends.store import EndStore
from admit.verifier.follower import Follower
from admit.verifier.snapshot import Source
from admit.verifier.trust import TrustedIssuer
from admit.verifier.verifier import wait_async

_LOG = logging.getLogger("admit.verifier")
_TURNS = 2
_MARGIN = 120.0
"""Seconds beyond the life of a token: leeways, and clocks that are not the same."""

Audience = str | Sequence[str] | Mapping[str, str | Sequence[str]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmitter:
    """One that sends security events under a name that is not the issuer's of the tokens they are about.

    `issuer` is the `iss` of its SETs, `jwks` its keys (a URL, or a `JWKSet`), `ends_for` the trusted issuer of whose
    subjects it speaks: as a rule another face of the same provider.

    Raises:
        ConfigError: the URL is none that may be asked.
    """

    issuer: str
    jwks: str | JWKSet
    ends_for: str
    rsa_alg: str | None = None
    okp_alg: str = "EdDSA"
    trust: TrustedIssuer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        trust = TrustedIssuer(
            self.issuer,
            audience=self.issuer,  # of tokens, which nobody takes of it
            jwks=self.jwks,
            rsa_alg=self.rsa_alg,
            okp_alg=self.okp_alg,
            revocation=Waive.REVOCATION,
        )
        object.__setattr__(self, "trust", trust)


@dataclass(frozen=True, slots=True)
class Told:
    """What one verified token says: these ends, of tokens of one issuer, to be kept in its store."""

    issuer: str
    jti: str
    ends: tuple[End, ...]
    store: EndStore


@dataclass(frozen=True, slots=True)
class _Sender:
    issuer: str
    ends_for: str
    audience: frozenset[str]
    source: Source
    store: EndStore


class Intake:
    """Verifies logout tokens and SETs. Never waits: as a verifier's core, it says what to wait for."""

    def __init__(
        self,
        core: Core,
        audience: Audience,
        *,
        transmitters: Sequence[Transmitter] = (),
        ends_on: frozenset[str] = security_event.ENDING,
        max_age: timedelta = logout.MAX_AGE,
    ) -> None:
        self.core = core
        self._ends_on = ends_on
        self._max_age = max_age
        self.followers: list[Follower] = []
        self._logout: dict[str, _Sender] = {}
        for known in core.trusted():
            issuer, store = known.trust.issuer, known.trust.ends
            ours = audiences(audience, issuer)
            if store is not None and ours:
                self._logout[issuer] = _Sender(issuer, issuer, ours, known.source, store)
        if not self._logout:
            raise ConfigError("no issuer of this verifier has both ends=... and an audience here")
        self._events = dict(self._logout)
        for one in transmitters:
            self._add(one, audience)

    def check_sender(self, issuer: str) -> None:
        """Raise ConfigError unless this issuer's or transmitter's events are taken here."""
        if issuer not in self._events:
            raise ConfigError("issuer is one of the verifier's with ends=..., or one of transmitters")

    def _add(self, one: Transmitter, audience: Audience) -> None:
        target = self._logout.get(one.ends_for)
        if target is None or one.issuer in self._events:
            raise ConfigError("a Transmitter speaks for a trusted issuer with ends=..., and is named once")
        source = Follower(
            one.trust, self.core.fetcher, boottime=self.core.boottime, background=self.core.background
        )
        self.followers.append(source)
        weakref.finalize(self, source.close, wait=False).atexit = False
        ours = audiences(audience, one.issuer) or target.audience
        self._events[one.issuer] = _Sender(one.issuer, one.ends_for, ours, source, target.store)

    def try_logout(self, token: str, *, final: bool = False) -> Told | Pending:
        """What a logout token says, OpenID Connect Back-Channel Logout 1.0 §2.6.

        Raises:
            TokenError: it is not good.
            KeysUnavailableError: the issuer's keys cannot be had.
        """

        def verify(sender: _Sender, unverified: jws.UnverifiedJws, keys: JWK | JWKSet) -> LogoutToken:
            return logout.verify(
                unverified,
                keys,
                issuer=sender.issuer,
                audience=sender.audience,
                now=self.core.wall(),
                max_age=self._max_age,
            )

        found = self._verified(token, self._logout, verify, final)
        if isinstance(found, Pending):
            return found
        sender, said = found
        end = End(
            issuer=sender.ends_for,
            subject=said.subject,
            session_id=said.session_id,
            before=said.iat,
            until=said.iat + sender.store.keep + _MARGIN,
            said_by=said.jti,
        )
        return Told(sender.issuer, said.jti, (end,), sender.store)

    def try_events(self, token: str, *, issuer: str | None = None, final: bool = False) -> Told | Pending:
        """What a SET says; events that end nothing, or are about somebody we cannot know, say nothing.

        `issuer` is the only one who may have sent it, where that is known.

        Raises:
            TokenError: it is not good.
            KeysUnavailableError: the transmitter's keys cannot be had.
        """

        def verify(sender: _Sender, unverified: jws.UnverifiedJws, keys: JWK | JWKSet) -> SecurityEventToken:
            return security_event.verify(
                unverified, keys, issuer=sender.issuer, audience=sender.audience, now=self.core.wall()
            )

        senders = self._events
        if issuer is not None:
            senders = {name: one for name, one in senders.items() if name == issuer}
        found = self._verified(token, senders, verify, final)
        if isinstance(found, Pending):
            return found
        sender, said = found
        return Told(said.issuer, said.jti, self._ends(sender, said), sender.store)

    def _ends(self, sender: _Sender, said: SecurityEventToken) -> tuple[End, ...]:
        ends: list[End] = []
        spoken_for = frozenset({sender.issuer, sender.ends_for})
        for event in said.events:
            names = subject_identifier.read(event.subject, spoken_for)
            if event.type not in self._ends_on:
                continue
            if not names:
                _LOG.warning("a security event is about a subject that no token tells: nothing was ended")
            ends += (
                End(
                    issuer=sender.ends_for,
                    subject=name.subject,
                    session_id=name.session_id,
                    token_id=name.token_id,
                    before=event.happened,
                    until=said.iat + sender.store.keep + _MARGIN,
                    said_by=said.jti,
                )
                for name in names
            )
        return tuple(dict.fromkeys(ends))

    def _verified(
        self,
        token: str,
        senders: Mapping[str, _Sender],
        verify: Callable[[_Sender, jws.UnverifiedJws, JWK | JWKSet], T],
        final: bool,
    ) -> tuple[_Sender, T] | Pending:
        unverified = jws.parse(token)
        issuer = strict_json.loads_object(unverified.payload_bytes).get("iss")
        sender = choose_sender(senders, issuer)
        source = sender.source
        if not source.started:
            source.start()
        snapshot = source.snapshot
        if snapshot.keys is None:
            waiting = None if final else source.pending()
            if waiting is not None:
                return Pending(waiting)
            raise KeysUnavailableError("no keys of this issuer could be had yet")
        kid = unverified.header.get("kid")
        freshness.check_kid(snapshot.held, kid)
        key_rules.check_age(snapshot.keys, self.core.boottime())
        try:
            return sender, verify(sender, unverified, snapshot.keys.tokens)
        except KeyNotFoundError:
            return self.core.wait_for_keys(source, kid, final)

    def settle(self, attempt: "Attempt") -> Told:
        """What `attempt` comes to, waiting for keys in this thread. Raises as it does."""
        self._tend()
        outcome, turns = attempt(final=False), _TURNS
        while isinstance(outcome, Pending):
            turns = turns - 1 if wait([outcome.done], timeout=outcome.timeout).done else 0
            outcome = attempt(final=turns <= 0)
        return outcome

    async def settle_async(self, attempt: "Attempt") -> Told:
        """The same in an event loop, without blocking it."""
        if not self.core.background:
            return await asyncio.to_thread(self.settle, attempt)
        outcome, turns = attempt(final=False), _TURNS
        while isinstance(outcome, Pending):
            turns = turns - 1 if await wait_async(outcome) else 0
            outcome = attempt(final=turns <= 0)
        return outcome

    def _tend(self) -> None:
        """Where there are no threads: renew what keys are due, or a withdrawn one would go on opening."""
        if not self.core.background:
            self.core.tend()
            for follower in self.followers:
                follower.tend()

    def close(self) -> None:
        """Stop following the transmitters' keys."""
        for follower in self.followers:
            follower.close()


class Attempt(Protocol):
    """One token, to be tried once or more often."""

    def __call__(self, *, final: bool) -> Told | Pending: ...


def choose_sender(senders: Mapping[str, _Sender], issuer: object) -> _Sender:
    """Who sent it, by its `iss`, letter by letter.

    Raises:
        IssuerError: nobody whose word is taken here.
    """
    found = senders.get(issuer) if isinstance(issuer, str) else None
    if found is None:
        raise IssuerError(detail="iss is missing or not one whose word is taken here")
    return found


def audiences(audience: Audience, issuer: str) -> frozenset[str]:
    """How we are called by an issuer: our client id, or what was agreed on for its events.

    Raises:
        ConfigError: no names, or an empty one.
    """
    if isinstance(audience, Mapping):
        if issuer not in audience:
            return frozenset()
        audience = audience[issuer]
    names = frozenset([audience] if isinstance(audience, str) else audience)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ConfigError("audience is our client id at the issuer, several of them, or a mapping by issuer")
    return names
