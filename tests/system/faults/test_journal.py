"""The harness has to see what it is there to see: planted wrongs are counted, and what is right is not."""

import pytest

from tests.system.faults.journal import KEYS, OK, REVOKED, STALE, Fact, Held, Outage, Run, Terms, judge

TERMS = Terms(bound=2.0, poll=0.5, round=0.3, recover=1.0)
GOOD = Fact(minted=90.0)
ENDED = Fact(minted=90.0, asked=100.0, ended=100.1)
UNKNOWN = Fact(minted=90.0, asked=100.0)


def run(verdict: str, first: float, last: float, count: int = 11, verifier: str = "v") -> Run:
    return Run(verifier, 1, verdict, first, last, count)


def broken(fact: Fact, *runs: Run, outages: tuple[Outage, ...] = (), **more: float) -> dict[str, int]:
    """The counts of what must not be, but for those that are 0."""
    tally = judge({1: fact}, runs, outages, TERMS, within=more.get("within"), lag=more.get("lag", 0.0))
    assert bool(tally.broken) is bool(tally.complaints)
    found = {name: getattr(tally, name) for name in ("late", "slow", "again", "refused", "other")}
    return {name: count for name, count in found.items() if count}


def test_until_the_bound_after_the_acknowledgement_an_ended_token_may_be_let_in_and_not_a_moment_longer() -> (
    None
):
    assert broken(ENDED, run(OK, 95.0, 102.1), run(REVOKED, 102.2, 105.0)) == {}
    assert broken(ENDED, run(OK, 95.0, 102.101)) == {"late": 1}
    assert broken(ENDED, run(OK, 102.2, 103.2, 11)) == {"late": 11}
    assert broken(ENDED, run(OK, 101.1, 103.1, 20)) == {"late": 10}


def test_where_polls_get_through_a_narrower_bound_holds() -> None:
    assert broken(ENDED, run(OK, 95.0, 101.0), within=1.0) == {}
    assert broken(ENDED, run(OK, 95.0, 101.5), within=1.0) == {"slow": 1}


def test_delays_count_from_the_acknowledgement() -> None:
    tally = judge({1: ENDED}, [run(OK, 95.0, 101.1), run(OK, 95.0, 99.0, verifier="w")], (), TERMS)
    assert tally.delays == [pytest.approx(1.0)]
    assert (tally.ends, tally.accesses) == (1, 22)


def test_who_was_refused_as_revoked_is_not_let_in_again() -> None:
    assert broken(ENDED, run(REVOKED, 100.05, 100.5), run(OK, 100.6, 100.7)) == {"again": 11}
    assert broken(ENDED, run(REVOKED, 100.05, 100.5), run(OK, 100.6, 100.7, verifier="another")) == {}


def test_a_verifier_that_began_anew_may_have_forgotten_a_refusal_but_never_the_bound() -> None:
    runs = [run(REVOKED, 100.05, 100.5), run(OK, 100.7, 102.05)]
    tally = judge({1: ENDED}, runs, (), TERMS, restarts=[100.6])
    assert (tally.again, tally.late) == (0, 0)
    assert judge({1: ENDED}, runs, (), TERMS, restarts=[100.8]).again == 11
    assert judge({1: ENDED}, [*runs, run(OK, 102.2, 102.3)], (), TERMS, restarts=[100.6]).late == 11


def test_a_valid_caller_is_never_refused_with_401() -> None:
    for verdict in (REVOKED, "401 KeyNotFoundError", "error TypeError"):
        assert broken(GOOD, run(verdict, 95.0, 96.0)) == {"other": 11}
    assert broken(ENDED, run(REVOKED, 99.9, 101.0, 12)) == {"other": 1}
    assert broken(ENDED, run("401 KeyNotFoundError", 100.01, 101.0)) == {}


def test_of_an_end_that_nobody_acknowledged_both_answers_are_right() -> None:
    assert broken(UNKNOWN, run(OK, 95.0, 200.0)) == {}
    assert broken(UNKNOWN, run(OK, 95.0, 100.2), run(REVOKED, 100.3, 200.0)) == {}
    assert broken(UNKNOWN, run(REVOKED, 99.0, 99.5)) == {"other": 11}


@pytest.mark.parametrize("verdict", [STALE, KEYS])
def test_503_is_for_outages_that_lasted_and_for_as_long_as_it_takes_to_ask_again(verdict: str) -> None:
    outage = Outage(100.0, 105.0)
    assert broken(GOOD, run(verdict, 100.5, 101.0)) == {"refused": 11}
    assert broken(GOOD, run(verdict, 101.2, 106.0), outages=(outage,)) == {}
    assert broken(GOOD, run(verdict, 101.1, 106.0), outages=(outage,)) == {"refused": 11}
    assert broken(GOOD, run(verdict, 101.2, 106.1), outages=(outage,)) == {"refused": 11}
    assert broken(GOOD, run(verdict, 101.1, 106.1), outages=(outage,), lag=0.1) == {}
    assert broken(ENDED, run(verdict, 100.01, 110.0)) == {}


def test_an_outage_is_that_of_the_verifiers_it_was_for() -> None:
    outage = Outage(100.0, 105.0, frozenset({"v"}))
    assert broken(GOOD, run(STALE, 102.0, 103.0), outages=(outage,)) == {}
    assert broken(GOOD, run(STALE, 102.0, 103.0, verifier="w"), outages=(outage,)) == {"refused": 11}


def test_who_lost_the_proof_may_say_503_at_once() -> None:
    outage = Outage(100.0, 105.0, held=Held.DOUBT)
    assert broken(GOOD, run(STALE, 100.0, 103.0), outages=(outage,)) == {}
    assert broken(GOOD, run(STALE, 99.9, 103.0), outages=(outage,)) == {"refused": 11}


def test_who_holds_nothing_lets_nobody_in() -> None:
    outage = Outage(100.0, 105.0, held=Held.NOTHING)
    assert broken(GOOD, run(KEYS, 100.0, 105.0), outages=(outage,)) == {}
    assert broken(GOOD, run(OK, 104.0, 104.5), outages=(outage,)) == {"late": 11}
    assert broken(GOOD, run(OK, 105.1, 105.5), outages=(outage,)) == {}
