"""Clocks that stand, jump and differ: the bound holds by whatever clock still goes; no wrong one lets anybody in."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from admit.errors import AdmitError, KeysUnavailableError, RevokedError, StaleRevocationError
from admit.tokens import status_list
from admit.verifier import Revocation, TrustedIssuer, Verifier, freshness, keys
from admit.verifier.agenda import Agenda
from admit.verifier.follower import Follower
from admit.verifier.follower_poll import Outcome
from admit.verifier.snapshot import KeyView
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock, FakeNet, StatusIssuer
from tests.plugins.patience import patience

TERMS = Revocation(stream=False)


class Real(Clock):
    """Beside the clocks that tests move, one that always goes on."""

    mono = 0.0

    def monotonic(self) -> float:
        return self.mono

    def pass_time(self, seconds: float, *, boot: float | None = None, wall: float | None = None) -> None:
        """Real time passes; by the boot clock and the wall clock perhaps another span."""
        self.mono += seconds
        self.boot += seconds if boot is None else boot
        self.wall += seconds if wall is None else wall


@pytest.fixture
def clock() -> Real:
    return Real()


@pytest.fixture
def issuer() -> StatusIssuer:
    return StatusIssuer(clock=lambda: NOW)


@pytest.fixture
def follower(issuer: StatusIssuer, clock: Real) -> Follower:
    net: Any = FakeNet(issuer)
    trust = TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=TERMS)
    made = Follower(trust, net, boottime=clock.boottime, monotonic=clock.monotonic, background=False)
    made.start()
    return made


def shown(follower: Follower) -> KeyView:
    view = follower.snapshot.keys
    assert view is not None
    return view


def is_current(follower: Follower, clock: Real, *, iat: float | None = None, n: int = 0) -> bool:
    try:
        freshness.check_current(follower.snapshot.held, n, iat, clock.wall, clock.boot, TERMS)
    except StaleRevocationError:
        return False
    return True


@pytest.mark.threat("O-4", off="admit.verifier.follower_poll:is_overdue")
def test_a_boot_clock_that_stands_still_keeps_nothing_fresh_for_ever(
    issuer: StatusIssuer, follower: Follower, clock: Real
) -> None:
    issuer.down = True
    for _ in range(6):
        clock.pass_time(5, boot=0)
        follower.step(lapsed=True)
        assert is_current(follower, clock)
    clock.pass_time(5, boot=0)
    follower.step(lapsed=True)
    assert not is_current(follower, clock)
    issuer.down = False
    clock.pass_time(5, boot=0)
    follower.step(lapsed=True)
    assert is_current(follower, clock)


def test_a_boot_clock_that_stands_still_does_not_stop_the_asking(
    issuer: StatusIssuer, follower: Follower, clock: Real
) -> None:
    polls = follower.counters.polls
    issuer.end(7)
    clock.pass_time(5, boot=0)
    follower.step()
    assert follower.counters.polls == polls, "by this clock nothing is due"
    follower.step(lapsed=True)
    assert follower.counters.polls == polls + 1
    assert status_list.is_set(follower.snapshot.held.bitmaps[0], 7)


@pytest.mark.parametrize("jump", [3_600.0, -500.0])
def test_a_boot_clock_that_jumps_makes_stale_until_the_next_answer(
    follower: Follower, clock: Real, jump: float
) -> None:
    clock.pass_time(2, boot=jump)
    assert not is_current(follower, clock)
    assert follower.force_poll() is not None, "whoever finds it stale may ask at once"
    assert is_current(follower, clock)
    clock.pass_time(31)
    assert not is_current(follower, clock)


def test_a_boot_clock_that_went_back_has_everything_asked_for_anew(
    issuer: StatusIssuer, follower: Follower, clock: Real
) -> None:
    clock.pass_time(2, boot=-500)
    with pytest.raises(KeysUnavailableError):
        keys.check_age(shown(follower), clock.boot)
    follower.step(lapsed=True)
    keys.check_age(shown(follower), clock.boot)
    assert is_current(follower, clock)
    assert follower.force_keys("of a new key") is not None, "and no pause from then holds it back"


def test_a_boot_clock_that_comes_by_old_times_again_makes_nothing_fresh(
    issuer: StatusIssuer, follower: Follower, clock: Real
) -> None:
    issuer.down = True
    clock.pass_time(1, boot=-20)
    follower.step(lapsed=True)
    clock.pass_time(25)
    assert not is_current(follower, clock), "what was held is 26 s old, and this clock says 6"
    issuer.down = False
    follower.step(lapsed=True)
    assert is_current(follower, clock)


@pytest.mark.parametrize("off", [-30.0, -6.0, 6.0, 30.0, 86_400.0])
def test_a_wall_clock_that_is_off_changes_nothing_about_the_bound(
    follower: Follower, clock: Real, off: float
) -> None:
    clock.pass_time(29, wall=29 + off)
    assert is_current(follower, clock)
    assert not is_current(follower, clock, iat=clock.wall, n=77), "and makes nobody young"
    clock.pass_time(1.1)
    assert not is_current(follower, clock)


@pytest.mark.parametrize("off", [-4.0, 0.0, 4.0])
def test_a_wall_clock_within_the_leeway_lets_the_young_in(
    follower: Follower, clock: Real, off: float
) -> None:
    clock.pass_time(29, wall=29 + off)
    assert is_current(follower, clock, iat=clock.wall - 20, n=77)
    assert not is_current(follower, clock, iat=clock.wall - 26, n=77)
    assert not is_current(follower, clock, iat=None, n=77)


@contextmanager
def verifying(issuer: StatusIssuer, clock: Real) -> Iterator[Verifier]:
    made = Verifier(
        TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=TERMS),
        fetcher=FakeNet(issuer),  # type: ignore[arg-type]  # stands in
        wall=clock.walltime,
        boottime=clock.boottime,
        background=False,
    )
    made.core.source(issuer.issuer)._monotonic = clock.monotonic  # type: ignore[attr-defined]  # of a Follower
    yield made
    made.close()


def test_without_threads_a_boot_clock_that_went_back_is_noticed_by_whoever_verifies(
    issuer: StatusIssuer, clock: Real
) -> None:
    with verifying(issuer, clock) as verifier:
        token = issuer.token(8, iat=NOW - 600, exp=NOW + 9_000)
        verifier.verify(token)
        clock.pass_time(2, boot=-500)
        verifier.verify(token)


def test_whatever_the_clocks_do_no_ended_token_is_let_in_beyond_the_bound(
    issuer: StatusIssuer, clock: Real, rounds: Callable[..., range], rng: random.Random
) -> None:
    """The wall clock is set about, the issuer comes and goes. Good tokens are good while it can be known."""
    for _ in rounds(quick=2, test=10, soak=500):
        issuer.lists[0] = status_list.EMPTY
        issuer.down = False
        with verifying(issuer, clock) as verifier:
            good, bad = (issuer.token(n, iat=NOW - 600, exp=NOW + 9e6, jti=f"{rng.random()}") for n in (8, 7))
            ended_at: float | None = None
            up_since: float | None = None
            for _ in range(60):
                clock.pass_time(rng.uniform(0, 9), wall=rng.uniform(-40, 60))
                clock.wall = max(NOW, min(clock.wall, NOW + 5_000))
                issuer.down = rng.random() < 0.6
                up_since = None if issuer.down else up_since or clock.boot
                told = verifier.health().issuers[0]
                if ended_at is None and rng.random() < 0.1:
                    issuer.end(7)
                    ended_at = clock.boot
                for token, ends in ((good, None), (bad, ended_at)):
                    try:
                        verifier.verify(token)
                    except RevokedError:
                        assert ends is not None
                    except AdmitError:
                        assert not told.ready, "good callers are good while it is known"
                        assert up_since is None or clock.boot - up_since <= 5, "and soon after it can be"
                    else:
                        assert ends is None or clock.boot - ends <= 30


def agenda(clock: Clock, jitter: Callable[[float, float], float] = lambda low, high: high) -> Agenda:
    return Agenda(needs_keys=True, poll_every=5.0, boottime=clock.boottime, jitter=jitter)


def test_fifty_verifiers_that_woke_together_do_not_stay_together(rng: random.Random) -> None:
    clock = Clock()
    many = [agenda(clock, rng.uniform) for _ in range(50)]
    for outcome, least in ((Outcome.PROVED, 0.5), (Outcome.FAILED, 1.5)):
        for one in many:
            one.poll_begin()
            one.poll_done(outcome)
        due = sorted(one.poll_due - clock.boot for one in many)
        assert due[-1] <= 5.0
        assert due[-1] - due[0] > least


def test_fifty_verifiers_that_hear_the_same_hint_ask_a_little_apart(rng: random.Random) -> None:
    clock = Clock()
    many = [agenda(clock, rng.uniform) for _ in range(50)]
    for one in many:
        one.poll_begin()
        one.poll_done(Outcome.PROVED)
    clock.pass_time(1)
    for one in many:
        one.hint()
    due = sorted(one.poll_due - clock.boot for one in many)
    assert 0 <= due[0] < due[-1] <= 0.05


def test_a_hint_during_a_question_is_asked_about_again(clock: Real) -> None:
    one = agenda(clock)
    one.poll_begin()
    one.hint()
    one.poll_done(Outcome.PROVED)
    assert one.left() == 0.0 or one.poll_due - clock.boot == 0.5
    clock.pass_time(0.5)
    assert one.poll_is_due()
    one.poll_begin()
    one.poll_done(Outcome.PROVED)
    assert one.poll_due - clock.boot == 5.0


def test_many_who_wait_share_one_question(clock: Real) -> None:
    one = agenda(clock)
    one.poll_begin()
    one.poll_done(Outcome.PROVED)
    clock.pass_time(40)
    waiting = {id(one.force_poll()) for _ in range(50)}
    assert len(waiting) == 1
    assert one.is_forced()
    first = one.force_poll()
    assert first is not None
    one.poll_begin()
    one.poll_done(Outcome.FAILED)
    assert first.done()
    assert one.force_poll() is None, "in an outage nobody waits"


def test_a_forked_child_does_not_take_over_that_its_parent_was_not_answered(clock: Real) -> None:
    one = agenda(clock)
    one.poll_begin()
    one.poll_done(Outcome.FAILED)
    assert one.force_poll() is None
    one.renew_after_fork()
    assert one.force_poll() is not None


def test_an_answer_that_came_after_a_sleep_is_asked_for_again_at_once(clock: Real) -> None:
    one = agenda(clock)
    one.poll_begin()
    clock.pass_time(3_600)
    one.poll_done(Outcome.PROVED)
    assert one.force_poll() is not None
    one.poll_begin()
    one.poll_done(Outcome.PROVED)
    assert one.force_poll() is None, "this one is new"


def test_without_any_keys_the_pauses_do_not_grow_and_with_some_they_do(clock: Real) -> None:
    for had, longest in ((False, 5.0), (True, 60.0)):
        one = agenda(clock)
        for _ in range(12):
            one.keys_begin()
            one.keys_done(good=False, had=had, has=lambda _: False)
        one.poll_due = clock.boot + 9_000
        assert one.left() == longest


def test_the_first_keys_are_used_at_once(clock: Real) -> None:
    one = agenda(clock)
    one.poll_begin()
    one.poll_done(Outcome.FAILED)
    one.keys_begin()
    one.keys_done(good=True, had=False, has=lambda _: True)
    assert one.poll_is_due()


def test_after_a_failure_the_next_try_is_no_later_than_the_poll(clock: Real) -> None:
    one = agenda(clock)
    for _ in range(20):
        one.poll_begin()
        one.poll_done(Outcome.FAILED)
        assert one.poll_due - clock.boot <= 5.0


def test_a_thread_asks_on_though_its_boot_clock_stands(issuer: StatusIssuer, clock: Real) -> None:
    """The very thread: its waits are by real time."""
    net: Any = FakeNet(issuer)
    quick = Revocation(max_staleness=timedelta(seconds=1), poll=timedelta(milliseconds=50), stream=False)
    trust = TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=quick)
    follower = Follower(trust, net, boottime=clock.boottime)
    asked = threading.Event()
    heads = iter(range(4))
    plain = net.get

    def get(url: str, headers: Any = None, **more: Any) -> Any:
        if "/status/head" in url and next(heads, None) is None:
            asked.set()
        return plain(url, headers, **more)

    net.get = get
    follower.start()
    assert asked.wait(patience())
    follower.close()
