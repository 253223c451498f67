"""Who asks an issuer about its opaque tokens: few questions at a time, each once, answers held for seconds.

Strangers can write any number of strings that look like tokens. So what is asked, what waits and what is held are all
bounded, and what they fill up is never what holds the answers for good tokens.
"""

import copy
import logging
import os
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

from admit.errors import AdmitError, ConfigError, FetchError, IntrospectionUnavailableError, TokenError
from admit.fetch import Fetcher, Response
from admit.jose import JWK, JWKSet
from admit.principal import Principal
from admit.verifier import introspection as rules
from admit.verifier import metadata
from admit.verifier.follower_keys import told
from admit.verifier.introspection import Introspection
from admit.verifier.remembered import freeze
from admit.verifier.trust import TrustedIssuer

_LOG = logging.getLogger("admit.verifier")
_TIMEOUT = timedelta(seconds=5)
_REFUSED_FOR = 5.0
_MAX_REFUSED = 1_000
_PAUSE = 1.0
_OUTAGE = 3
"""Questions in a row without an answer. One may be a string that something before the issuer hangs up on; a stranger's
must not keep everybody else from asking."""
"""Seconds for which nobody asks an issuer that could not be reached."""
_REDISCOVER = 3600.0
_IDLE = 5.0
_ALL: "weakref.WeakSet[Asker]" = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class _Held:
    """An answer for a good token. `asked_at` is a boot time, the others are seconds since the epoch."""

    principal: Principal
    asked_at: float
    not_before: float
    expires: float


@dataclass(frozen=True, slots=True)
class _Question:
    token: str
    digest: bytes
    wall: float
    answer: "Future[Principal]"


class Asker:
    """Asks one issuer, RFC 7662. With `background`, threads of its own ask; else whoever needs an answer does."""

    def __init__(
        self,
        trust: TrustedIssuer,
        terms: Introspection,
        fetcher: Fetcher | None = None,
        *,
        boottime: Callable[[], float],
        keys: Callable[[], JWK | JWKSet | None] = lambda: None,
        background: bool = True,
    ) -> None:
        self.issuer = trust.issuer
        self._trust = trust
        self._terms = terms
        self._cache = terms.cache.total_seconds()
        self._fetcher = fetcher or Fetcher(trust.origins)
        self._owns_fetcher = fetcher is None
        self._boottime = boottime
        self._keys = keys
        self._background = background
        self._good: OrderedDict[bytes, _Held] = OrderedDict()
        self._refused: OrderedDict[bytes, tuple[TokenError, float]] = OrderedDict()
        self._endpoint = terms.endpoint
        self._find_again = 0.0
        self._pause_until = 0.0
        self._failed = 0
        self.last_error: str | None = None
        self.prefix = terms.prefix
        self._reset()
        _ALL.add(self)

    def _reset(self) -> None:
        """What belongs to one process: a forked child has none of its parent's threads, and asks anew."""
        self._lock = threading.Lock()
        self._finding = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._asking: dict[bytes, _Question] = {}
        self._queue: deque[_Question] = deque()
        self._threads = 0
        self._idle = 0

    def check(self, token: str, digest: bytes, wall: float) -> "Principal | Future[Principal]":
        """Who a token speaks for, by an answer that is held; or the answer that is under way.

        `digest` is what the token is remembered by; `wall` is in seconds since the epoch.

        Raises:
            TokenError: the token is not active, or not good here.
            IntrospectionUnavailableError: it cannot be told: the issuer is out of reach, or too many questions wait.
        """
        found = self._held(digest, wall)
        if found is not None:
            return found
        rules.check_askable(token)
        boot = self._boottime()
        with self._lock:
            question = self._asking.get(digest)
            if question is not None:
                return question.answer
            if boot < self._pause_until:
                raise IntrospectionUnavailableError("the issuer could not be reached a moment ago")
            check_room(len(self._asking), self._terms)
            question = self._asking[digest] = _Question(token, digest, wall, Future())
            if self._background:
                self._submit(question)
        if not self._background:
            self._answer(question)
        return question.answer

    def answer(self, asked: "Future[Principal]") -> Principal:
        """What came of a question that was waited for.

        Raises:
            TokenError: the token is not active, or not good here.
            IntrospectionUnavailableError: it cannot be told, or not in time.
        """
        if not asked.done():
            raise IntrospectionUnavailableError("the issuer took too long to answer for a token")
        error = asked.exception()
        if error is not None:
            raise copy.copy(error)  # each who waits gets one of his own: raising changes it
        return asked.result()

    def close(self) -> None:
        """Close idle connections. Threads end by themselves."""
        if self._owns_fetcher:
            self._fetcher.close()

    def _held(self, digest: bytes, wall: float) -> Principal | None:
        refused = self._refused.get(digest)
        if refused is not None and self._boottime() < refused[1]:
            raise copy.copy(refused[0])
        held = self._good.get(digest)
        if held is None:
            return None
        if not is_current(held.asked_at, self._boottime(), self._cache) or not (
            held.not_before <= wall < held.expires
        ):
            return None
        return held.principal

    def _submit(self, question: _Question) -> None:
        """Hand a question to a thread; the caller holds the lock."""
        self._queue.append(question)
        if self._idle >= len(self._queue):
            self._wake.notify()
        elif self._threads < self._terms.concurrency:
            thread = threading.Thread(target=self._work, name="admit-introspection", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread to be had, as while the interpreter ends
                if self._threads == 0:
                    self._queue.remove(question)
                    del self._asking[question.digest]
                    raise IntrospectionUnavailableError("no thread could be started to ask") from None
            else:
                self._threads += 1

    def _work(self) -> None:
        while True:
            with self._lock:
                while not self._queue:
                    self._idle += 1
                    called = self._wake.wait(_IDLE)
                    self._idle -= 1
                    if not called and not self._queue:
                        self._threads -= 1
                        return
                question = self._queue.popleft()
            self._answer(question)

    def _answer(self, question: _Question) -> None:
        """Ask, hold what was answered, and tell all who wait."""
        asked_at = self._boottime()
        outcome: Principal | AdmitError
        try:
            outcome = self._ask(question)
        except TokenError as error:
            self.last_error, self._failed, outcome = None, 0, error
        except FetchError as error:
            self._failed += 1
            if is_outage(self._failed):
                self._pause_until = self._boottime() + _PAUSE
            self.last_error = told("an opaque token", error, self.last_error)
            outcome = IntrospectionUnavailableError("the issuer could not be reached")
        except AdmitError as error:
            self.last_error = told("an opaque token", error, self.last_error)
            outcome = error
        except Exception:  # a worker that died would leave callers waiting
            _LOG.exception("asking an issuer for an opaque token failed unexpectedly")
            outcome = IntrospectionUnavailableError("asking failed unexpectedly")
        else:
            self.last_error, self._failed = None, 0
        with self._lock:
            self._hold(question, outcome, asked_at)
            self._asking.pop(question.digest, None)
        if isinstance(outcome, AdmitError):
            question.answer.set_exception(outcome)
        else:
            question.answer.set_result(outcome)

    def _ask(self, question: _Question) -> Principal:
        url = self._where()
        body, headers = rules.question(self._terms, question.token)
        response = self._fetcher.post(url, body, headers, timeout=_TIMEOUT, max_bytes=rules.MAX_ANSWER)
        members = rules.members_of(response, self._trust, self._terms, self._keys, question.wall)
        return frozen(rules.principal(members, self._trust, self._terms, question.wall))

    def _where(self) -> str:
        """The endpoint: configured, or from the issuer's metadata, looked up by one of those who ask."""
        if self._terms.endpoint is not None:
            return self._terms.endpoint
        with self._finding:
            boot = self._boottime()
            if self._endpoint is None or boot >= self._find_again:
                try:
                    found = metadata.discover(self._get, self._trust.issuer, self._trust.metadata)
                except AdmitError:
                    if self._endpoint is None:
                        raise
                    self._find_again = boot + _PAUSE  # meanwhile the old place may still answer
                else:
                    self._endpoint, self._find_again = found.introspection, boot + _REDISCOVER
            if self._endpoint is None:
                raise IntrospectionUnavailableError("the issuer's metadata names no introspection_endpoint")
            return self._endpoint

    def _get(self, url: str, headers: Mapping[str, str]) -> Response:
        return self._fetcher.get(url, headers, timeout=_TIMEOUT)

    def _hold(self, question: _Question, outcome: Principal | AdmitError, asked_at: float) -> None:
        """Hold an answer; the caller holds the lock. The two kinds do not take each other's room."""
        self._good.pop(question.digest, None)
        self._refused.pop(question.digest, None)
        if isinstance(outcome, TokenError):
            self._refused[question.digest] = (outcome, self._boottime() + _REFUSED_FOR)
            while len(self._refused) > _MAX_REFUSED:
                self._refused.popitem(last=False)
        elif isinstance(outcome, Principal) and self._cache > 0:
            leeway = self._trust.policy.leeway_s
            claims = outcome.claims
            self._good[question.digest] = _Held(
                outcome,
                asked_at,
                max(claims.get("nbf", 0.0), claims.get("iat", 0.0)) - leeway,
                outcome.expires_at if outcome.expires_at is not None else float("inf"),
            )
            while len(self._good) > self._terms.remember:
                self._good.popitem(last=False)


class Askers:
    """Those of a verifier's issuers that are asked, and which of them a token is for."""

    def __init__(self, askers: Sequence[Asker]) -> None:
        """Tell tokens apart by how they begin.

        Raises:
            ConfigError: two issuers' tokens cannot be told apart.
        """
        self._all = tuple(askers)
        prefixes = [one.prefix for one in askers]
        if prefixes.count("") > 1:
            raise ConfigError("tokens of two issuers with introspection need a prefix=... to tell them apart")
        named = sorted(prefix for prefix in prefixes if prefix)
        if any(after.startswith(before) for before, after in pairwise(named)):
            raise ConfigError("the prefix=... of one issuer's tokens is how another's begin too")
        self._named = tuple(one for one in askers if one.prefix)
        self._other = next((one for one in askers if not one.prefix), None)

    def choose(self, token: str) -> Asker | None:
        """Whom to ask about a token; None for a JWT, which is never sent anywhere, or where nobody is asked."""
        for one in self._named:
            if token.startswith(one.prefix):
                return one
        return self._other if self._other is not None and rules.is_opaque(token) else None

    def close(self) -> None:
        """Close idle connections."""
        for one in self._all:
            one.close()


def frozen(principal: Principal) -> Principal:
    """A principal that nobody can change: one request must not alter what the next one sees."""
    actor = None if principal.actor is None else freeze(principal.actor)
    return replace(principal, claims=freeze(principal.claims), actor=actor)


def is_current(asked_at: float, boot: float, cache: float) -> bool:
    """Whether an answer may still be believed; it is as old as its question. All are boot times or seconds."""
    return 0 <= boot - asked_at < cache


def is_outage(failed: int) -> bool:
    """Whether so many questions in a row without an answer mean that the issuer is away, and is left alone a moment."""
    return failed >= _OUTAGE


def check_room(under_way: int, terms: Introspection) -> None:
    """Raise IntrospectionUnavailableError when as many questions are under way or wait as may."""
    if under_way >= terms.concurrency + terms.waiting:
        raise IntrospectionUnavailableError("too many questions about tokens are under way")


def _after_fork() -> None:
    for one in list(_ALL):
        one._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
