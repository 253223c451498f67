"""The follower: keeps one issuer's snapshot current, in a daemon thread of its own. The hot path never waits for it.

Nothing is asked for before the first use. A forked child has no threads, so its first use starts one anew; what the
parent held stays good there, since both share the machine's boot clock. Where there can be no threads, whoever verifies
does what is due (`tend`).
"""

import logging
import math
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import timedelta

from admit.errors import KeysUnavailableError
from admit.fetch import Fetcher, Response
from admit.jose import JWKSet
from admit.verifier import follower_stream, freshness
from admit.verifier import keys as key_rules
from admit.verifier.agenda import Agenda
from admit.verifier.counters import Following
from admit.verifier.episodes import Episode
from admit.verifier.follower_keys import IssuerKeys
from admit.verifier.follower_poll import Outcome, Polling
from admit.verifier.follower_stream import StreamFollower, StreamState
from admit.verifier.holding import Holding
from admit.verifier.snapshot import IssuerSnapshot, KeyView
from admit.verifier.state import StateKeeper
from admit.verifier.stream import Place
from admit.verifier.trust import Revocation, TrustedIssuer

_LOG = logging.getLogger("admit.verifier")
_SLEPT = 10.0
_INLINE_TIMEOUT = 2.0
_ALL: "weakref.WeakSet[Follower]" = weakref.WeakSet()


class Follower(Holding):
    """Follows one issuer. `snapshot` is replaced whole; readers take no lock.

    With `background=False` there are no threads. `state_dir` is where what was proved outlives the process. `monotonic`
    stands beside the boot clock, in case that one stands still.
    """

    def __init__(
        self,
        trust: TrustedIssuer,
        fetcher: Fetcher | None = None,
        *,
        boottime: Callable[[], float],
        jitter: Callable[[float, float], float] = random.uniform,
        monotonic: Callable[[], float] = time.monotonic,
        background: bool = True,
        state_dir: str | os.PathLike[str] | None = None,
        silence: timedelta = follower_stream.SILENCE,
    ) -> None:
        fixed = trust.fixed_keys
        super().__init__(IssuerSnapshot(None if fixed is None else KeyView(fixed, _status_keys(fixed), None)))
        self._trust = trust
        self._fetcher = fetcher or Fetcher(trust.origins)
        self._owns_fetcher = fetcher is None
        self._boottime = boottime
        self._jitter = jitter
        self._monotonic = monotonic
        self._background = background
        terms = trust.follows
        # No single request may eat up the time in which the state has to be proved anew.
        limit = 5.0 if terms is None else min(5.0, max(0.5, terms.bound / 3))
        self.timeout = timedelta(seconds=limit if background else min(limit, _INLINE_TIMEOUT))
        self.counters = Following()
        self._keys = IssuerKeys(self, trust, self._get, boottime=boottime, counters=self.counters)
        self._agenda = Agenda(
            needs_keys=fixed is None,
            poll_every=None if terms is None else terms.poll_every,
            boottime=boottime,
            jitter=jitter,
        )
        self._polling: Polling | None = None
        self._listener: StreamFollower | None = None
        self._state: StateKeeper | None = None
        if terms is not None:
            self._follow_revocations(terms, silence)
            if state_dir is not None:
                self._state = StateKeeper(state_dir, trust, boottime=boottime, counters=self.counters)
        self._restored = self._state is None
        self._looked_at = 0.0
        self._due_by = math.inf
        self._closed = False
        self._reset()
        _ALL.add(self)

    def _follow_revocations(self, terms: Revocation, silence: timedelta) -> None:
        self._polling = Polling(
            self,
            self._keys,
            issuer=self._trust.issuer,
            bound=terms.bound,
            get=self._get,
            boottime=self._boottime,
            monotonic=self._monotonic,
            renew_keys=self._renew_for_status,
            counters=self.counters,
            episode=Episode(self._trust.issuer),
        )
        if terms.stream and self._background:
            self._listener = StreamFollower(
                self,
                self._fetcher,
                url=self._keys.events_url,
                proved=self._proved_place,
                hint=self._hint,
                counters=self.counters,
                silence=silence,
                jitter=self._jitter,
            )

    def _reset(self) -> None:
        """Everything that belongs to one process: a forked child starts from here."""
        self.renew_lock()
        self._agenda.renew_after_fork()
        self.started = not self._trust.needs_fetching or self._closed
        self._working = threading.Lock()
        self._thread: threading.Thread | None = None
        if self._listener is not None:
            self._listener.renew_after_fork()

    @property
    def keys_error(self) -> str | None:
        """The code of the last failure to have keys that no success has followed, or while new ones are expected."""
        return self._keys.error or (KeysUnavailableError.code if self._agenda.expects_new_keys else None)

    @property
    def last_error(self) -> str | None:
        """The code of the last failure that no success has followed."""
        return self._keys.error or (None if self._polling is None else self._polling.error)

    @property
    def stream_state(self) -> StreamState:
        """Whether ends are heard of as they happen."""
        return StreamState.OFF if self._listener is None else self._listener.state

    @property
    def stream_error(self) -> str | None:
        """Why the stream is not open, in one word; None while it is, or before it was tried."""
        return None if self._listener is None else self._listener.error

    @property
    def is_up(self) -> bool:
        """Whether somebody keeps the snapshot current: the thread, or whoever verifies."""
        if self._closed or not self._trust.needs_fetching:
            return not self._closed
        thread = self._thread
        return not self._background or (thread is not None and thread.is_alive())

    def start(self) -> None:
        """Begin to follow, unless that is so already or it was closed."""
        if self.started:
            return
        with self._agenda.wake:
            if self.started or self._closed:
                return
            self._agenda.expect_first(have_keys=self.snapshot.keys is not None)
            self.started = not self._background or self._start_thread()
        if not self.started:
            self._agenda.let_go()
        elif not self._background:
            self._work()

    def _start_thread(self) -> bool:
        thread = threading.Thread(
            target=self._run, args=(self._agenda.wake,), name="admit-follower", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no thread to be had, as while the interpreter ends: nothing can be learnt now
            return False
        self._thread = thread
        return True

    def close(self, *, wait: bool = True) -> None:
        """Stop following. What is held stays until it is too old."""
        with self._agenda.wake:
            self._closed = self._agenda.closed = self.started = True
            thread = self._thread
            self._agenda.wake.notify_all()
        listening = None if self._listener is None else self._listener.close()
        if thread is None and self._owns_fetcher:
            self._fetcher.close()
        for one in (thread, listening) if wait else ():
            if one is not None and one is not threading.current_thread():
                one.join(timeout=1.0)
        if not self._background and self._owns_fetcher:
            self._fetcher.close()

    def pending(self) -> Future[None] | None:
        """The first answers, while they are still under way; None once they came or failed."""
        return self._agenda.pending()

    def force_keys(self, kid: str) -> Future[None] | None:
        """A fetch of keys for a `kid` that is not held: the one under way, a new one, or None if none is due."""
        self.start()  # a forked child may come here first
        return self._inline(self._agenda.force_keys(kid))

    def force_poll(self) -> Future[None] | None:
        """A question about revocations now: the one under way, a new one, or None while the issuer fails to answer."""
        self.start()
        return self._inline(self._agenda.force_poll())

    def _inline(self, waiting: Future[None] | None) -> Future[None] | None:
        if waiting is not None and not self._background:
            self._work()
        return waiting

    def tend(self) -> None:
        """Where there are no threads: do what is due in this one, unless another does it already."""
        if not self.started or self._closed:
            return
        lapsed = self._monotonic() > self._due_by  # a boot clock that stands would never say so
        if lapsed or self._agenda.left() <= 0 or self._boottime() < self._looked_at:
            self._work(lapsed=lapsed)

    def _work(self, *, lapsed: bool = False) -> None:
        while self._working.acquire(blocking=False):
            try:
                self._due_by = self._monotonic() + self.step(lapsed=lapsed)
            finally:
                self._working.release()
            if not self._agenda.is_forced():
                return
            lapsed = False

    def _proved_place(self) -> Place | None:
        polling = self._polling
        return None if polling is None or polling.proof is None else polling.proof.head.place

    def _hint(self) -> None:
        self._agenda.hint()

    def _run(self, wake: threading.Condition) -> None:
        lapsed, closed = False, False
        while not closed:
            self.step(lapsed=lapsed)
            listener = self._listener
            if listener is not None and self._proved_place() and self._keys.events_url():
                listener.start()
            boot, began = self._boottime(), self._monotonic()
            with wake:
                left = self._agenda.left()
                idle = left > 0 and not self._closed and not self._agenda.is_forced()
                lapsed = idle and not wake.wait(left)
                closed = self._closed
            if listener is not None and has_slept(self._boottime() - boot, self._monotonic() - began):
                listener.reconnect()
        self._agenda.let_go()
        if self._owns_fetcher:
            self._fetcher.close()

    def step(self, *, lapsed: bool = False) -> float:
        """Do what is due, and return the seconds until something is due again.

        `lapsed` says that the time for it has passed, whatever the boot clock says.
        """
        try:
            self._look_at_clock()
            if lapsed:
                self._agenda.bring_forward()
            if not self._restored:
                self._restored = True
                self._restore()
            if self._agenda.keys_are_due():
                self._renew_keys()
            if self._agenda.poll_is_due():
                self._ask()
        except Exception:  # a follower that died would leave every request with 503 until a restart
            _LOG.exception("following an issuer failed unexpectedly")
            if self._polling is not None:
                self._polling.error = "server_error"
            self._agenda.give_up()
        return self._agenda.left()

    def _look_at_clock(self) -> None:
        """A boot clock that went back will come by the old times again, and find fresh what is long old."""
        boot = self._boottime()
        if boot < self._looked_at:
            _LOG.warning("the boot clock went back: everything is asked for anew")
            self.change_held(freshness.distrust)
            self._agenda.begin_anew()
        self._looked_at = boot

    def _restore(self) -> None:
        """Begin with what an earlier process saved. The first question is waited for all the same."""
        assert self._state is not None
        snapshot = self._state.load(self.snapshot.keys)
        if snapshot is not None:
            self.put(snapshot)

    def _get(self, url: str, headers: Mapping[str, str], *, max_bytes: int | None = None) -> Response:
        response = self._fetcher.get(url, headers, timeout=self.timeout, max_bytes=max_bytes)
        self.counters.octets += len(response.body)
        return response

    def _renew_keys(self) -> None:
        self._agenda.keys_begin()
        good, had = False, self.snapshot.keys is not None
        try:
            good = self._keys.renew()
        finally:
            self._agenda.keys_done(good=good, had=had, has=self._keys.has)

    def _renew_for_status(self) -> bool:
        """A head signed by an unknown status key: its keys may be new."""
        if not self._agenda.may_renew_for_status():
            return False
        self._renew_keys()
        return True

    def _ask(self) -> None:
        assert self._polling is not None
        self._agenda.poll_begin()
        outcome, before = Outcome.FAILED, self.snapshot
        try:
            outcome = self._polling.ask()
        finally:
            self._agenda.poll_done(outcome)
            if key_rules.names_any(before.keys, self.snapshot.held.revoked_kids - before.held.revoked_kids):
                self._agenda.expect_new_keys()
        if self._state is not None:
            self._state.save(self.snapshot, self._polling.proof, self._keys.body)


def has_slept(by_boot_clock: float, by_monotonic: float) -> bool:
    """Whether the machine slept meanwhile: only one of the two clocks went on."""
    return by_boot_clock - by_monotonic > _SLEPT


def _status_keys(fixed: object) -> JWKSet:
    return fixed if isinstance(fixed, JWKSet) else JWKSet([])


def _after_fork() -> None:
    for follower in list(_ALL):
        follower._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
