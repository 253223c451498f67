"""What `Verifier` and `AsyncVerifier` share: a token in; a principal, an error or something to wait for out."""

import os
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from admit.credentials import BearerCredential, Credential, NoCredential
from admit.credentials.lookup import StatusRef
from admit.errors import (
    AdmitError,
    ConfigError,
    KeyNotFoundError,
    KeysUnavailableError,
    MalformedCredentialError,
    MissingCredentialError,
    StaleRevocationError,
)
from admit.fetch import Fetcher
from admit.jose import jws
from admit.principal import Principal
from admit.verifier import freshness, health, plain, reading, session_rules
from admit.verifier import keys as key_rules
from admit.verifier.choosing import choose_issuer, held_keys, named_issuer, trusted_keys
from admit.verifier.counters import Counters
from admit.verifier.ends.check import EndCheck
from admit.verifier.ends.store import EndStore
from admit.verifier.follower import Follower
from admit.verifier.health import VerifierHealth
from admit.verifier.hit import Known, plainly_first
from admit.verifier.introspector import Asker, Askers
from admit.verifier.remembered import Remembered, RememberedTokens, digest
from admit.verifier.snapshot import IssuerSnapshot, KeyView, Source
from admit.verifier.trust import TrustedIssuer

_ALL: "weakref.WeakSet[Core]" = weakref.WeakSet()
_DONE: Future[None] = Future()
_DONE.set_result(None)


@dataclass(frozen=True, slots=True)
class Pending:
    """No answer yet: something is being fetched. Wait for `done` (at most `timeout` seconds), then try again.

    Where `asked` is there, the issuer was asked about this very token: do not try again but hand this to `taken`.
    """

    done: Future[Any]
    timeout: float = 6.0
    asked: Asker | None = None


class Core:
    """Verifies without I/O. `try_verify` answers at once; whoever may wait does so between two tries."""

    def __init__(
        self,
        issuers: tuple[TrustedIssuer, ...],
        *,
        remember: int,
        wall: Callable[[], float],
        boottime: Callable[[], float],
        fetcher: Fetcher | None,
        background: bool = True,
        state_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if not issuers:
            raise ConfigError("a verifier needs at least one TrustedIssuer")
        for trust in issuers:
            if not isinstance(trust, TrustedIssuer):
                raise ConfigError(
                    "a verifier takes TrustedIssuers, each by itself:"
                    ' Verifier(TrustedIssuer("https://id.example.com", audience="https://api.example.com"));'
                    " a preset makes one by its trust(...)"
                )
        self.wall = wall
        self.boottime = boottime
        self.fetcher = fetcher
        self.background = background
        self._known: dict[str, Known] = {}
        inline: list[Follower | EndStore] = []
        for trust in issuers:
            source: Source | None = trust.source
            if source is None:
                source = Follower(
                    trust, fetcher, boottime=boottime, background=background, state_dir=state_dir
                )
                if not background:
                    inline.append(source)
                # A verifier that nobody uses any more is not followed for ever.
                weakref.finalize(self, source.close, wait=False).atexit = False
            ends = None if trust.ends is None else EndCheck(trust.ends)
            if trust.ends is not None and not background:
                trust.ends.start(background=False)
                inline.append(trust.ends)
            # Without threads whoever verifies reads what is due: that is no work for the hot path.
            quick = background or not (isinstance(source, Follower) or ends)
            for one in trust.each():
                if one.issuer in self._known:
                    raise ConfigError("an issuer is trusted once; give it several audiences instead")
                self._known[one.issuer] = Known(one, source, ends=ends, quick=quick)
        self.inline = tuple(inline)
        self._askers = Askers(
            [
                Asker(
                    one.trust,
                    terms,
                    fetcher,
                    boottime=boottime,
                    keys=partial(held_keys, one, boottime),
                    background=background,
                )
                for one in self._known.values()
                if (terms := one.trust.introspection) is not None
            ]
        )
        asks = any(one.trust.introspection is not None for one in self._known.values())
        # Where somebody is asked about opaque tokens, their prefix may be how any other begins.
        self._plain = (
            {} if asks else {name: one for name, one in self._known.items() if one.plain is not None}
        )
        self.remembered = RememberedTokens(remember)
        self.recall = self.remembered.get
        self.counters = Counters()
        self.audiences: frozenset[str] = frozenset().union(*(trust.audiences for trust in issuers))
        self.issuers: frozenset[str] = frozenset(self._known)
        _ALL.add(self)

    def trusted(self) -> tuple[Known, ...]:
        """All trusted issuers, each tenant for itself."""
        return tuple(self._known.values())

    def source(self, issuer: str) -> Source:
        """Where a trusted issuer's snapshot comes from."""
        return self._known[issuer].source

    def tend(self) -> None:
        """Where there are no threads: begin to follow, and do what is due. Asks over the network."""
        for one in self.inline:
            if not one.started:
                one.start()
            one.tend()

    def ready(self) -> bool:
        """Whether a good token of every issuer would be taken now. Starts what is not started."""
        for known in self._known.values():
            if not known.source.started:
                known.source.start()
            if known.trust.ends is not None:
                known.trust.ends.start()
        return self.health().ready

    def read_new(self, token: bytes, key: bytes, wall: float) -> Principal | None:
        """Whose token this is, where it is new and one look settles it; `key` is its digest. None: ask `settle`.

        Raises:
            SignatureError: all is well but the signature. It is counted.
        """
        if not self._plain:
            return None
        try:
            entry = plain.read(token, self._plain, wall, self.boottime())
        except AdmitError as error:
            self.counters.refused(error.code)
            raise
        if entry is None:
            return None
        self.remembered.put(key, entry)
        return entry.principal

    @plainly_first
    def try_verify(self, credential: str | Credential, *, now: float | None = None) -> Principal | Pending:
        """The principal of a bearer token, or what to wait for before `settle` is asked.

        Raises:
            TokenError: the token is not good: 401.
            RevokedError: its family or its key was ended: 401.
            StaleRevocationError, KeysUnavailableError: it cannot be told: 503.
            CredentialError: there is no bearer token.
        """
        return self.settle(credential, now=now)

    def settle(
        self, credential: str | Credential, *, now: float | None = None, final: bool = False
    ) -> Principal | Pending:
        """What `try_verify` promises, by every rule; with `final` there is nothing to wait for any more.

        Raises:
            AdmitError: as `try_verify`; each is counted.
        """
        for one in self.inline:
            one.tend()
        try:
            token = credential if isinstance(credential, str) else bearer_token(credential)
            key = digest(token)
            wall = self.wall() if now is None else now
            entry = self.recall(key)
            if entry is None:
                return self._verify(token, key, wall, final)
            return self._use(entry, token, key, wall, final)
        except AdmitError as error:
            self.counters.refused(error.code)
            raise

    def _use(
        self, entry: Remembered, token: str, key: bytes, wall: float, final: bool
    ) -> Principal | Pending:
        """A remembered token by the rules one by one, or verified anew where what it was verified by has changed."""
        snapshot = entry.known.source.snapshot
        view = snapshot.keys
        if view is None or view.tokens is not entry.keys or not entry.not_before <= wall < entry.expires:
            self.remembered.drop(key)
            return self._verify(token, key, wall, final)
        try:
            self._check_state(snapshot, view, entry, wall)
        except StaleRevocationError:
            return self._wait_for_poll(entry.known, snapshot, final)
        return entry.principal

    def _check_state(self, snapshot: IssuerSnapshot, view: KeyView, entry: Remembered, wall: float) -> None:
        """What may have changed since a token was verified, at each use of it."""
        boot = self.boottime()
        freshness.check_kid(snapshot.held, entry.kid)
        key_rules.check_age(view, boot)
        known, status = entry.known, entry.status
        terms = known.trust.follows
        if status is not None and terms is not None:
            freshness.check_status(
                snapshot.held, entry.kid, status[0], status[1], entry.iat, wall, boot, terms
            )
        if known.ends is not None:
            known.ends.check(entry.principal, entry.iat, boot)

    def _verify(self, token: str, key: bytes, wall: float, final: bool) -> Principal | Pending:
        asker = self._askers.choose(token)
        if asker is not None:
            return self._ask(asker, token, key, wall, final)
        unverified = jws.parse(token)
        known = choose_issuer(self._known, named_issuer(unverified.payload_bytes))
        source, trust = known.source, known.trust
        if not source.started:
            source.start()
        snapshot = source.snapshot
        view = trusted_keys(known, self._known)
        if view is None or (trust.follows and snapshot.held.head_at is None and not snapshot.held.went_back):
            waiting = None if final else source.pending()
            if waiting is not None:
                return Pending(waiting)
            # What was waited for may have come between the two looks.
            snapshot, view = source.snapshot, trusted_keys(known, self._known)
            if view is None:
                raise KeysUnavailableError("no keys of this issuer could be had yet")
        kid = unverified.header.get("kid")
        freshness.check_kid(snapshot.held, kid)
        key_rules.check_age(view, self.boottime())
        try:
            entry = reading.read(unverified, known, view, wall)
        except KeyNotFoundError:
            return self.wait_for_keys(source, kid, final)
        try:
            self._check_state(snapshot, view, entry, wall)
        except StaleRevocationError:
            return self._wait_for_poll(known, snapshot, final)
        self.remembered.put(key, entry)
        return entry.principal

    def _ask(self, asker: Asker, token: str, key: bytes, wall: float, final: bool) -> Principal | Pending:
        """An opaque token: who it speaks for, by what its issuer says of it, RFC 7662."""
        reading = None if final else self.pending_ends(asker.issuer)
        if reading is not None:
            return Pending(reading)
        found = asker.check(token, key, wall)
        if isinstance(found, Principal):
            return self._still_good(found)
        pending = Pending(found, asked=asker)
        return self._answer(pending) if found.done() else pending

    def taken(self, pending: Pending) -> Principal:
        """What the issuer answered about an opaque token, once it was waited for.

        Raises:
            TokenError: the token is not active, or not good here: 401.
            IntrospectionUnavailableError: no answer, or none in time: 503.
        """
        try:
            return self._answer(pending)
        except AdmitError as error:
            self.counters.refused(error.code)
            raise

    def _answer(self, pending: Pending) -> Principal:
        assert pending.asked is not None
        return self._still_good(pending.asked.answer(pending.done))

    def _still_good(self, found: Principal) -> Principal:
        """What is held of ends counts for opaque tokens too."""
        known = self._known[found.issuer]
        if known.ends is not None:
            iat = found.claims.get("iat")
            terms = known.trust.introspection
            if iat is None and terms is not None:
                iat = self.wall() - terms.cache.total_seconds()  # not long ago the issuer said it is good
            known.ends.check_vouched(found, iat)
        return found

    def pending_ends(self, issuer: str) -> Future[None] | None:
        """A reading of an issuer's store of ends that is worth waiting for; None where it is fresh, or fails."""
        known = self._known.get(issuer)
        return None if known is None or known.ends is None else known.ends.pending()

    def wait_for_keys(self, source: Source, kid: str | None, final: bool) -> Pending:
        """An unknown `kid`: perhaps a new key. Strangers write kids too, so a fetch is rarely worth it."""
        if kid is None:
            raise KeyNotFoundError("no key for this token")
        if not final:
            waiting = source.force_keys(kid)
            if waiting is not None:
                return Pending(waiting)
        if source.keys_error is not None:
            raise KeysUnavailableError("the key is unknown, and the keys cannot be renewed")
        raise KeyNotFoundError("no key of that kid")

    def _wait_for_poll(self, known: Known, seen: IssuerSnapshot, final: bool) -> Pending:
        """Stale though the issuer answers: this process slept, or the list is new; or its ends were never read."""
        waiting = None if final else self.pending_ends(known.trust.issuer)
        if (
            waiting is None and not final
        ):  # an answer that came since the look that found it stale is looked at first
            waiting = _DONE if known.source.snapshot is not seen else known.source.force_poll()
        if waiting is None and not final and known.source.snapshot is not seen:
            waiting = _DONE
        if waiting is None:
            raise StaleRevocationError("revocations could not be checked within max_staleness")
        return Pending(waiting)

    def check_session(self, principal: Principal, status: StatusRef, *, cached: bool) -> None:
        """Hold a session that was looked up against the same bits as tokens.

        A look-up just made (`cached=False`) proves itself; a kept one is good only while the bits are fresh.

        Raises:
            SessionError: the session was ended, or is not one of a trusted issuer.
            StaleRevocationError: a kept look-up, and what is held of revocations is too old: look up anew.
        """
        session_rules.check(
            self._known.get(principal.issuer),
            principal,
            status,
            cached=cached,
            wall=self.wall(),
            boottime=self.boottime,
        )

    def health(self) -> VerifierHealth:
        """The state of each issuer, for a readiness probe. Asks nobody."""
        boot = self.boottime()
        # Tenants share a source, so they are told of once.
        sharing: dict[int, list[Known]] = {}
        for known in self._known.values():
            sharing.setdefault(id(known.source), []).append(known)
        return VerifierHealth(tuple(health.of(some[0], boot, tenants=some) for some in sharing.values()))

    def close(self) -> None:
        """Stop all followers. Tokens are verified from what is held until it is too old."""
        for known in self._known.values():
            known.source.close()
        self._askers.close()


def bearer_token(credential: object) -> str:
    """The token of a credential that carries one.

    Raises:
        MissingCredentialError: there is no credential.
        MalformedCredentialError: it is of another kind.
    """
    if isinstance(credential, BearerCredential):
        return credential.token
    if isinstance(credential, str):
        return str(credential)
    if isinstance(credential, NoCredential):
        raise MissingCredentialError("the request carries no credential")
    raise MalformedCredentialError("not a bearer token")


def _after_fork() -> None:
    for core in list(_ALL):
        core.remembered.renew_after_fork()
        core.counters.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
