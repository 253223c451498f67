"""The follower: one daemon thread per followed issuer that keeps its snapshot current. The hot path never waits for it.

Nothing is asked for before the first use. A forked child has no threads, so its first use starts one anew; what the
parent held stays good there, since both share the machine's boot clock.
"""

import hashlib
import logging
import os
import random
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import timedelta
from enum import Enum
from functools import partial

from admit.errors import AdmitError, FetchError, KeyNotFoundError, StaleRevocationError
from admit.fetch import Fetcher, Response
from admit.jose import JWKSet
from admit.tokens.status_signature import MAX_SIZE as MAX_STATUS
from admit.verifier import keys as key_rules
from admit.verifier import metadata, status
from admit.verifier.snapshot import IssuerSnapshot, KeyView
from admit.verifier.trust import TrustedIssuer

_LOG = logging.getLogger("admit.verifier")
_IDLE = 3600.0
_QUICK_ROUNDS = 3
_REDISCOVER = 3600.0
_RETRY_DISCOVERY = 60.0
_ALL: "weakref.WeakSet[Follower]" = weakref.WeakSet()


class _Outcome(Enum):
    PROVED = "proved"
    MOVING = "moving"  # lists change faster than they are fetched: ask again soon
    FAILED = "failed"


class Follower:
    """Follows one issuer. `snapshot` is replaced whole; readers take no lock."""

    def __init__(
        self,
        trust: TrustedIssuer,
        fetcher: Fetcher | None = None,
        *,
        boottime: Callable[[], float],
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._trust = trust
        self._fetcher = fetcher or Fetcher(trust.origins)
        self._owns_fetcher = fetcher is None
        self._boottime = boottime
        self._jitter = jitter
        self._terms = trust.follows
        # No single request may eat up the time in which the state has to be proved anew.
        limit = 5.0 if self._terms is None else min(5.0, max(0.5, self._terms.bound / 3))
        self.timeout = timedelta(seconds=limit)
        fixed = trust.fixed_keys
        self.snapshot = IssuerSnapshot(None if fixed is None else KeyView(fixed, _status_keys(fixed), None))
        self.keys_error: str | None = None
        self.poll_error: str | None = None
        self._sought: str | None = None
        self._keys = key_rules.KeySchedule()
        self._body_digest = b""
        self._endpoints: metadata.Endpoints | None = None
        self._find_again = 0.0
        self._poll_due = 0.0
        self._poll_ended: float | None = None
        self._poll_failed = False
        self._closed = False
        self._reset()
        _ALL.add(self)

    def _reset(self) -> None:
        """Everything that belongs to one process: a forked child starts from here."""
        self.started = not self._trust.needs_fetching or self._closed
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._keys_wait: Future[None] | None = None
        self._poll_wait: Future[None] | None = None
        self._keys_forced = False

    @property
    def last_error(self) -> str | None:
        """The code of the last failure that no success has followed."""
        return self.keys_error or self.poll_error

    def start(self) -> None:
        """Start the thread, unless it runs or was closed."""
        with self._wake:
            if self.started or self._closed:
                return
            if self._needs_keys and self.snapshot.keys is None and not self._keys.tried:
                self._keys_wait = Future()
            if self._terms is not None and self._poll_ended is None:
                self._poll_wait = Future()
            self._thread = threading.Thread(target=self._run, name="admit-follower", daemon=True)
            try:
                self._thread.start()
            except (
                RuntimeError
            ):  # no thread to be had, as while the interpreter ends: nothing can be learnt now
                self._thread = self._keys_wait = self._poll_wait = None
            else:
                self.started = True

    def close(self) -> None:
        """Stop the thread. What is held stays until it is too old."""
        with self._wake:
            self._closed, self.started = True, True
            thread = self._thread
            self._wake.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)

    def pending(self) -> Future[None] | None:
        """The first answers, while they are still under way; None once they came or failed."""
        return self._keys_wait or self._poll_wait

    def force_keys(self, kid: str) -> Future[None] | None:
        """A fetch of keys for a `kid` that is not held: the one under way, a new one, or None if none is due."""
        with self._wake:
            if not self._needs_keys or self._closed:
                return None
            if self._keys_wait is not None:
                return self._keys_wait
            if not self._keys.may_force(kid, self._boottime()):
                return None
            self._keys_forced, self._sought = True, kid
            self._keys_wait = Future()
            self._wake.notify_all()
            return self._keys_wait

    def force_poll(self) -> Future[None] | None:
        """A question about revocations now: the one under way, a new one, or None while the issuer fails to answer.

        In an outage nobody waits: the thread goes on asking at its own pace, and requests get their 503 at once.
        """
        with self._wake:
            if self._terms is None or self._closed:
                return None
            if self._poll_wait is not None:
                return self._poll_wait
            recent = self._poll_ended is not None and self._boottime() - self._poll_ended < min(
                1.0, self._terms.poll_every
            )
            if self._poll_failed or recent:
                return None
            self._poll_due = self._boottime()
            self._poll_wait = Future()
            self._wake.notify_all()
            return self._poll_wait

    @property
    def _needs_keys(self) -> bool:
        return self._trust.fixed_keys is None

    def _run(self) -> None:
        wake, closed = self._wake, False
        while not closed:
            left = self.step()
            with wake:
                if not self._closed and left > 0 and not self._is_forced():
                    wake.wait(left)
                closed = self._closed
        self._finish_all()
        if self._owns_fetcher:
            self._fetcher.close()

    def _is_forced(self) -> bool:
        return self._keys_forced or (self._poll_wait is not None and self._poll_due <= self._boottime())

    def step(self) -> float:
        """Do what is due, and return the seconds until something is due again."""
        try:
            boot = self._boottime()
            if self._needs_keys and (self._keys_forced or boot >= self._keys.due):
                self._renew_keys()
            boot = self._boottime()
            if self._terms is not None and boot >= self._poll_due:
                self._ask()
            boot = self._boottime()
            due = self._keys.due if self._needs_keys else boot + _IDLE
            if self._terms is not None:
                due = min(due, self._poll_due)
            return max(0.0, due - boot)
        except Exception:  # a follower that died would leave every request with 503 until a restart
            _LOG.exception("following an issuer failed unexpectedly")
            self.poll_error = "server_error"
            self._finish_all()
            return 1.0

    def _finish_all(self) -> None:
        with self._wake:
            waiting = (self._keys_wait, self._poll_wait)
            self._keys_wait = self._poll_wait = None
            self._keys_forced = False
        for one in waiting:
            if one is not None and not one.done():
                one.set_result(None)

    def _get(self, url: str, headers: Mapping[str, str], *, max_bytes: int | None = None) -> Response:
        return self._fetcher.get(url, headers, timeout=self.timeout, max_bytes=max_bytes)

    def _renew_keys(self) -> None:
        with self._wake:
            self._keys_forced = False
        asked_at = self._boottime()
        try:
            body = self._fetch_keys(asked_at)
            self._take_keys(body, asked_at)
        except AdmitError as error:
            self._find_again = min(self._find_again, asked_at)  # the issuer may have moved its keys
            self.keys_error = _told("keys", error, self.keys_error)
            with self._wake:
                self._keys.failed(self._boottime(), self._jitter)
        else:
            self.keys_error = None
            with self._wake:
                self._keys.succeeded(self._boottime(), self._jitter)
                if self._sought is not None and not _has(self.snapshot, self._sought):
                    self._keys.note_absent(self._sought, self._boottime())
        finally:
            with self._wake:
                self._sought = None
                waiting, self._keys_wait = self._keys_wait, None
            if waiting is not None:
                waiting.set_result(None)

    def _fetch_keys(self, boot: float) -> bytes:
        url = self._trust.jwks if isinstance(self._trust.jwks, str) else self._discovered(boot).jwks
        if url is None:
            raise FetchError("the metadata names no key set")
        response = self._get(url, {"accept": "application/jwk-set+json, application/json"})
        if response.status != 200:
            raise FetchError("the key set was not given")
        return response.body

    def _take_keys(self, body: bytes, asked_at: float) -> None:
        old = self.snapshot
        digest = hashlib.sha256(body).digest()
        if old.keys is not None and digest == self._body_digest:
            view = KeyView(old.keys.tokens, old.keys.status, asked_at)
        else:
            view = key_rules.read(
                body,
                issuer=self._trust.issuer,
                rsa_alg=self._trust.rsa_alg,
                algorithms=self._trust.algorithms,
                admit=self._terms is not None,
                revoked=old.held.revoked_kids,
                fetched_at=asked_at,
            )
            if isinstance(view.tokens, JWKSet) and view.tokens.private_seen:
                _LOG.error(
                    "an issuer publishes private or secret keys in its key set; none of them was taken"
                )
            self._body_digest = digest
        self.snapshot = IssuerSnapshot(view, old.held)

    def _discovered(self, boot: float) -> metadata.Endpoints:
        known = self._endpoints
        if known is not None and boot < self._find_again:
            return known
        try:
            known = self._endpoints = metadata.discover(self._get, self._trust.issuer, self._trust.metadata)
            self._find_again = boot + _REDISCOVER
        except AdmitError:
            if known is None:
                raise
            self._find_again = boot + _RETRY_DISCOVERY  # meanwhile the old places may still answer
        return known

    def _ask(self) -> None:
        assert self._terms is not None
        pause, outcome = self._terms.poll_every, _Outcome.FAILED
        with self._wake:
            if self._poll_wait is None and not self._poll_failed:
                self._poll_wait = Future()  # whoever finds the state stale meanwhile may wait for this
        try:
            outcome = self._ask_rounds()
            if outcome is _Outcome.MOVING:
                pause = min(pause, 0.5)
        finally:
            with self._wake:
                self._poll_failed = outcome is _Outcome.FAILED
                self._poll_ended = self._boottime()
                self._poll_due = self._poll_ended + pause * self._jitter(0.9, 1.0)
                waiting, self._poll_wait = self._poll_wait, None
            if waiting is not None:
                waiting.set_result(None)

    def _ask_rounds(self) -> _Outcome:
        """Up to three rounds: lists that changed between the head and their fetch are asked for again."""
        if self.snapshot.keys is None:
            return _Outcome.FAILED  # no head could be verified
        try:
            head_url = self._head_url()
        except AdmitError as error:
            self.poll_error = _told("revocations", error, self.poll_error)
            return _Outcome.FAILED
        for turn in range(_QUICK_ROUNDS):
            before = self.snapshot
            if before.keys is None:
                return _Outcome.FAILED
            result = status.ask(
                before.held,
                issuer=self._trust.issuer,
                head_url=head_url,
                keys=before.keys.status,
                get=partial(self._get, max_bytes=MAX_STATUS),
                boottime=self._boottime,
                again=turn > 0,
            )
            self.snapshot = IssuerSnapshot(
                key_rules.without(before.keys, result.held.revoked_kids), result.held
            )
            if result.proved:
                self.poll_error = None
                return _Outcome.PROVED
            if result.trouble is not None:
                self.poll_error = _told("revocations", result.trouble, self.poll_error)
                if isinstance(result.trouble, KeyNotFoundError) and self._renew_for_status():
                    continue
                return _Outcome.FAILED
            if result.held.went_back:
                back = StaleRevocationError("its database went back in time: raise the epoch there")
                self.poll_error = _told("revocations", back, self.poll_error)
                return _Outcome.FAILED
        return _Outcome.MOVING

    def _renew_for_status(self) -> bool:
        """A head signed by an unknown status key: its keys may be new."""
        if not self._needs_keys or not self._keys.may_force("", self._boottime()):
            return False
        self._renew_keys()
        return True

    def _head_url(self) -> str:
        if isinstance(self._trust.jwks, JWKSet | str):
            return f"{self._trust.issuer.rstrip('/')}/status/head"
        head = self._discovered(self._boottime()).head
        if head is None:
            raise FetchError("the issuer publishes no revocations: is it an Admit issuer?")
        return head


def _told(what: str, error: AdmitError, before: str | None) -> str:
    """The code of a failure; logged once until it changes."""
    if error.code != before:
        _LOG.warning("asking an issuer for %s failed: %s: %s", what, error.code, error.detail)
    return error.code


def _has(snapshot: IssuerSnapshot, kid: str) -> bool:
    keys = snapshot.keys
    return keys is not None and isinstance(keys.tokens, JWKSet) and any(key.kid == kid for key in keys.tokens)


def _status_keys(fixed: object) -> JWKSet:
    return fixed if isinstance(fixed, JWKSet) else JWKSet([])


def _after_fork() -> None:
    for follower in list(_ALL):
        follower._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
