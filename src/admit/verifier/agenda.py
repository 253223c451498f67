"""What is due at one followed issuer, and who waits for it. Times are boot times, in seconds; does no I/O.

Requests wait for futures that are shared: however many need an answer, it is asked for once.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from admit.verifier.follower_poll import Outcome
from admit.verifier.keys import KeySchedule

HINT_SPACING = 0.5
"""Seconds between questions that the stream hints at."""
HINT_SPREAD = 0.05
FORCE_SPACING = 1.0
"""Seconds between questions that requests force, or the time between polls where that is shorter."""
_IDLE = 3600.0
_MOVING = 0.5
_KEYLESS = 5.0


class Agenda:
    """Due times and waiting requests, under one lock. `wake` is told of whatever is due earlier than it was.

    `poll_every` is in seconds; None where no revocations are followed. `needs_keys` is False where keys are configured.
    """

    def __init__(
        self,
        *,
        needs_keys: bool,
        poll_every: float | None,
        boottime: Callable[[], float],
        jitter: Callable[[float, float], float],
    ) -> None:
        self._needs_keys = needs_keys
        self._poll_every = poll_every
        self._boottime = boottime
        self._jitter = jitter
        self._keys = KeySchedule()
        self._poll_ended: float | None = None
        self.poll_due = 0.0
        self.closed = False
        self.renew_after_fork()

    def renew_after_fork(self) -> None:
        """Nobody waits in a forked child; what is due stays due.

        Whether the parent's last question failed says nothing of the child's: who finds it stale there may ask at once.
        """
        self.wake = threading.Condition()
        self._poll_failed = False
        self._poll_forced_at: float | None = None
        self._keys_wait: Future[None] | None = None
        self._poll_wait: Future[None] | None = None
        self._keys_forced = False
        self._sought: str | None = None
        self._hinted = False

    def expect_first(self, *, have_keys: bool) -> None:
        """Let requests wait for the first answers. The caller holds `wake`."""
        if self._needs_keys and not have_keys and not self._keys.tried:
            self._keys_wait = Future()
        if self._poll_every is not None and self._poll_ended is None:
            self._poll_wait = Future()

    def pending(self) -> Future[None] | None:
        """The first answers, while they are still under way; None once they came or failed."""
        return self._keys_wait or self._poll_wait

    def force_keys(self, kid: str) -> Future[None] | None:
        """A fetch of keys for a `kid` that is not held: the one under way, a new one, or None if none is due."""
        with self.wake:
            if not self._needs_keys or self.closed:
                return None
            if self._keys_wait is not None:
                return self._keys_wait
            if not self._keys.may_force(kid, self._boottime()):
                return None
            self._keys_forced, self._sought = True, kid
            self._keys_wait = Future()
            self.wake.notify_all()
            return self._keys_wait

    def may_renew_for_status(self) -> bool:
        """Whether a head signed by an unknown key is reason to fetch keys now."""
        with self.wake:
            return self._needs_keys and self._keys.may_force_by_head(self._boottime())

    def expect_new_keys(self) -> None:
        """A key that was held was given up, so there is a new one."""
        with self.wake:
            self._keys.note_revoked(self._boottime())
            self.wake.notify_all()

    @property
    def expects_new_keys(self) -> bool:
        """Whether a key was given up a moment ago, and not every node of the issuer can be trusted to name the next."""
        return self._needs_keys and self._keys.changing > 0

    def force_poll(self) -> Future[None] | None:
        """A question about revocations now: the one under way, a new one, or None while the issuer fails to answer.

        In an outage nobody waits: the follower goes on asking at its own pace, and requests get their 503 at once. An
        answer that came just now is no reason to refuse one: it may be as old as this machine slept meanwhile, or from
        before a list that was begun since. Only tokens with a good signature come here, and they share one a second.
        """
        with self.wake:
            if self._poll_every is None or self.closed:
                return None
            if self._poll_wait is not None:
                return self._poll_wait
            boot = self._boottime()
            if self._poll_failed or not may_force(self._poll_forced_at, boot, self._poll_every):
                return None
            self._poll_forced_at = boot
            self.poll_due = boot
            self._poll_wait = Future()
            self.wake.notify_all()
            return self._poll_wait

    def hint(self) -> None:
        """The stream says that there is more than it tells: ask soon, though at most twice a second.

        A little spread, since many verifiers hear it at the same moment.
        """
        with self.wake:
            self._hinted = True
            at = self._boottime() + self._jitter(0.0, HINT_SPREAD)
            if self._poll_ended is not None:
                at = max(at, self._poll_ended + HINT_SPACING)
            self.poll_due = min(self.poll_due, at)
            self.wake.notify_all()

    def is_forced(self) -> bool:
        """Whether somebody waits for what is due."""
        return self._keys_forced or (self._poll_wait is not None and self.poll_due <= self._boottime())

    def left(self) -> float:
        """Seconds until something is due."""
        boot = self._boottime()
        due = self._keys.due if self._needs_keys else boot + _IDLE
        if self._poll_every is not None:
            due = min(due, self.poll_due)
        return max(0.0, due - boot)

    def keys_are_due(self) -> bool:
        """Whether keys are to be fetched now."""
        return self._needs_keys and (self._keys_forced or self._boottime() >= self._keys.due)

    def poll_is_due(self) -> bool:
        """Whether the head is to be asked for now."""
        return self._poll_every is not None and self._boottime() >= self.poll_due

    def bring_forward(self) -> None:
        """Make due what is first: its time has passed, whatever the boot clock says, which may stand or go back."""
        with self.wake:
            boot = self._boottime()
            if self._poll_every is not None and not (self._needs_keys and self._keys.due < self.poll_due):
                self.poll_due = min(self.poll_due, boot)
            else:
                self._keys.due = min(self._keys.due, boot)

    def begin_anew(self) -> None:
        """Make everything due: the boot clock went back, so that no time that was noted by it says anything."""
        with self.wake:
            boot = self._boottime()
            self.poll_due, self._poll_forced_at, self._poll_ended = boot, None, None
            self._keys.begin_anew(boot)

    def keys_begin(self) -> None:
        """They are being fetched."""
        with self.wake:
            self._keys_forced = False

    def keys_done(self, *, good: bool, had: bool, has: Callable[[str], bool]) -> None:
        """They came, or not: plan the next time, and let go those who waited.

        `had` says whether any were held before, `has` whether a kid is held now. Without any, every request gets 503:
        then the pauses do not grow, and the first that come are used at once.
        """
        with self.wake:
            boot = self._boottime()
            if not good:
                self._keys.failed(boot, self._jitter)
                if not had:
                    self._keys.due = min(self._keys.due, boot + _KEYLESS * self._jitter(0.5, 1.0))
            else:
                if not had:
                    self.poll_due = min(self.poll_due, boot)
                self._keys.succeeded(boot, self._jitter)
                if self._sought is not None and not has(self._sought):
                    self._keys.note_absent(self._sought, boot, self._jitter)
            self._sought = None
            waiting, self._keys_wait = self._keys_wait, None
        _finish(waiting)

    def poll_begin(self) -> None:
        """The head is being asked for. Whoever finds the state stale meanwhile may wait for that."""
        with self.wake:
            self._hinted = False
            if self._poll_wait is None and not self._poll_failed:
                self._poll_wait = Future()

    def poll_done(self, outcome: Outcome) -> None:
        """It was answered, or not: plan the next time, and let go those who waited."""
        assert self._poll_every is not None
        pause = self._poll_every
        spread = (0.8, 1.0) if outcome is Outcome.PROVED else (0.5, 1.0)
        if outcome is Outcome.MOVING:
            pause = min(pause, _MOVING)
        with self.wake:
            if self._hinted:  # it came while this was under way, which so may not have seen what it meant
                pause = min(pause, HINT_SPACING)
            self._poll_failed = outcome is Outcome.FAILED
            self._poll_ended = self._boottime()
            self.poll_due = self._poll_ended + pause * self._jitter(*spread)
            waiting, self._poll_wait = self._poll_wait, None
        _finish(waiting)

    def give_up(self) -> None:
        """Something unforeseen happened: nobody waits any longer, and the next try is in a second."""
        with self.wake:
            self.poll_due = self._keys.due = self._boottime() + 1.0
        self.let_go()

    def let_go(self) -> None:
        """Nobody waits any longer."""
        with self.wake:
            waiting = (self._keys_wait, self._poll_wait)
            self._keys_wait = self._poll_wait = None
            self._keys_forced = False
        for one in waiting:
            _finish(one)


def may_force(forced_at: float | None, boot: float, poll_every: float) -> bool:
    """Whether the last question that a request forced is long enough ago."""
    return forced_at is None or not 0 <= boot - forced_at < min(FORCE_SPACING, poll_every)


def _finish(waiting: Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
