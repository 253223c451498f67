"""The whole table of decisions about a refresh token."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.issuer.grants import rules
from admit.issuer.grants.records import Family, PresentedRefresh, Refusal
from admit.issuer.grants.rules import EndFamily, Keep, Refuse, Rotate

NOW = 1_000_000.0
GRACE = timedelta(seconds=30)
IDLE = timedelta(days=14)

STORED = Family(
    id="f" * 22,
    idx=7,
    client_id="app",
    user_id="u_1",
    session_id="s",
    scope=frozenset({"openid"}),
    audience="https://api.example",
    auth_time=NOW,
    acr="a",
    amr=("pwd",),
    created_at=NOW - 100_000,
    expires_at=NOW + 100_000,
    generation=5,
    rotated_at=NOW - 10,
    used_at=NOW - 10,
    offline=True,
    salt=b"s" * 16,
)
PRESENTED = PresentedRefresh(generation=5, client_id="app", rotates=True, genuine=True)


def judge(
    presented: PresentedRefresh, stored: Family | None, grace: timedelta = GRACE
) -> rules.RefreshDecision:
    return rules.judge_refresh(presented, stored, now=NOW, grace=grace, idle=IDLE)


@pytest.mark.rfc("9700", "4.14.2")
@pytest.mark.parametrize(
    ("generation", "rotates", "ago", "grace", "decision"),
    [
        # p = g
        (5, True, 10, 30, Rotate(5)),
        (5, True, 0, 30, Rotate(5)),
        (5, True, 50_000, 30, Rotate(5)),
        (5, True, 10, 0, Rotate(5)),
        (5, False, 10, 30, Keep(5)),
        (5, False, 50_000, 0, Keep(5)),
        # p = g - 1
        (4, True, 0, 30, Keep(5)),
        (4, True, 29.9, 30, Keep(5)),
        (4, True, 30, 30, EndFamily(STORED.id)),
        (4, True, 31, 30, EndFamily(STORED.id)),
        (4, True, 299, 300, Keep(5)),
        (4, True, 0, 0, EndFamily(STORED.id)),
        (4, True, -5, 30, Keep(5)),  # another node's clock is ahead
        (4, True, -5, 0, EndFamily(STORED.id)),
        (4, True, -500, 30, EndFamily(STORED.id)),
        (4, False, 10, 30, Keep(5)),  # made confidential meanwhile
        (4, False, 31, 30, EndFamily(STORED.id)),
        # p < g - 1, inside the grace as well
        (3, True, 0, 30, EndFamily(STORED.id)),
        (3, True, 31, 30, EndFamily(STORED.id)),
        (0, True, 0, 300, EndFamily(STORED.id)),
        (0, False, 10, 30, EndFamily(STORED.id)),
        # p > g
        (6, True, 10, 30, Refuse(Refusal.AHEAD)),
        (6, False, 10, 30, Refuse(Refusal.AHEAD)),
        (10**17, True, 10, 300, Refuse(Refusal.AHEAD)),
    ],
)
def test_generation_and_grace_decide(
    generation: int, rotates: bool, ago: float, grace: float, decision: rules.RefreshDecision
) -> None:
    presented = replace(PRESENTED, generation=generation, rotates=rotates)
    stored = replace(STORED, rotated_at=NOW - ago, used_at=min(NOW, NOW - ago))
    assert judge(presented, stored, timedelta(seconds=grace)) == decision


@pytest.mark.parametrize("generation", [0, 3, 4, 5, 6])
@pytest.mark.parametrize(
    ("presented", "stored", "reason"),
    [
        ({"genuine": False}, {}, Refusal.FORGED),
        ({"client_id": "other"}, {}, Refusal.CLIENT),
        ({}, {"jkt": "thumb"}, Refusal.KEY),
        ({"jkt": "other"}, {"jkt": "thumb"}, Refusal.KEY),
        ({}, {"ended_at": NOW - 1}, Refusal.ENDED),
        ({}, {"expires_at": NOW}, Refusal.EXPIRED),
        ({}, {"expires_at": NOW - 1}, Refusal.EXPIRED),
        ({}, {"used_at": NOW - IDLE.total_seconds()}, Refusal.IDLE),
    ],
)
def test_of_the_wrong_hands_or_a_dead_family_nothing_is_ended_whatever_the_generation(
    generation: int, presented: dict[str, Any], stored: dict[str, Any], reason: Refusal
) -> None:
    decision = judge(replace(PRESENTED, generation=generation, **presented), replace(STORED, **stored))
    assert decision == Refuse(reason)


def test_an_unknown_family_is_refused() -> None:
    assert judge(PRESENTED, None) == Refuse(Refusal.UNKNOWN)


def test_a_bound_token_with_its_key_and_an_unbound_one_with_any_are_taken() -> None:
    assert judge(replace(PRESENTED, jkt="thumb"), replace(STORED, jkt="thumb")) == Rotate(5)
    assert judge(replace(PRESENTED, jkt="thumb"), STORED) == Rotate(5)


def test_just_before_the_idle_and_the_absolute_end_it_is_alive() -> None:
    assert judge(PRESENTED, replace(STORED, used_at=NOW - IDLE.total_seconds() + 1)) == Rotate(5)
    assert judge(PRESENTED, replace(STORED, expires_at=NOW + 0.001)) == Rotate(5)


@pytest.mark.threat("9700-refresh", off="admit.issuer.grants.rules:is_reuse")
def test_reuse_ends_the_family() -> None:
    assert judge(replace(PRESENTED, generation=3), STORED) == EndFamily(STORED.id)
    late = replace(STORED, rotated_at=NOW - 31)
    assert judge(replace(PRESENTED, generation=4), late) == EndFamily(STORED.id)


@pytest.mark.threat("6819-4.1.2", off="admit.issuer.grants.rules:bound_to")
def test_another_client_or_key_gets_nothing() -> None:
    assert judge(replace(PRESENTED, client_id="other"), STORED) == Refuse(Refusal.CLIENT)
    assert judge(PRESENTED, replace(STORED, jkt="thumb")) == Refuse(Refusal.KEY)


@pytest.mark.threat("9700-refresh", off="admit.issuer.grants.rules:over")
def test_idle_absolute_and_ended_families_are_over() -> None:
    for change in ({"ended_at": NOW}, {"expires_at": NOW}, {"used_at": NOW - IDLE.total_seconds()}):
        assert isinstance(judge(PRESENTED, replace(STORED, **change)), Refuse)


@given(
    generation=st.integers(0, 12),
    stored=st.integers(0, 12),
    ago=st.floats(-400, 400),
    grace=st.integers(0, 300),
    rotates=st.booleans(),
)
def test_a_family_ends_exactly_for_an_old_generation_beyond_the_grace(
    generation: int, stored: int, ago: float, grace: int, rotates: bool
) -> None:
    family = replace(STORED, generation=stored, rotated_at=NOW - ago)
    decision = judge(
        replace(PRESENTED, generation=generation, rotates=rotates), family, timedelta(seconds=grace)
    )
    if generation > stored:
        assert decision == Refuse(Refusal.AHEAD)
    elif generation == stored:
        assert decision == (Rotate(stored) if rotates else Keep(stored))
    elif generation == stored - 1 and abs(ago) < grace:
        assert decision == Keep(stored)
    else:
        assert decision == EndFamily(family.id)


@given(st.integers(0, 12), st.integers(0, 12), st.booleans())
def test_garbage_never_ends_anything(generation: int, stored: int, rotates: bool) -> None:
    presented = replace(PRESENTED, generation=generation, rotates=rotates, genuine=False)
    assert isinstance(judge(presented, replace(STORED, generation=stored)), Refuse)
