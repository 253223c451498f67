"""Decisions without a database."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.issuer.revocation import StatusState, rules
from admit.issuer.revocation.rules import Change, Follow
from admit.tokens import status_list

EMPTY = rules.list_bits(status_list.EMPTY)
HELD = StatusState(7, 10, MappingProxyType({0: EMPTY, 1: EMPTY}), frozenset({"k1"}))


@given(st.integers(0, 2**40))
def test_an_index_is_a_list_and_a_rest(idx: int) -> None:
    assert (rules.list_of(idx) << 20) + rules.low_of(idx) == idx
    assert 0 <= rules.low_of(idx) < status_list.ENTRIES


@given(st.integers(0, status_list.ENTRIES - 1))
def test_a_mark_is_told_from_every_position_and_from_a_change_of_lists(low: int) -> None:
    assert rules.low_of_mark(rules.mark_from(low)) == low
    assert rules.low_of_mark(low) is None
    assert rules.low_of_mark(rules.LISTS_CHANGED) is None


@pytest.mark.parametrize(
    ("epoch", "seq", "how"),
    [
        (7, 10, Follow.NOTHING),
        (7, 11, Follow.CHANGES),
        (7, 15, Follow.CHANGES),
        (7, 16, Follow.EVERYTHING),
        (7, 9, Follow.EVERYTHING),
        (8, 10, Follow.EVERYTHING),
        (8, 11, Follow.EVERYTHING),
        (6, 11, Follow.EVERYTHING),
    ],
)
def test_only_a_database_a_little_ahead_in_the_same_epoch_is_followed_by_changes(
    epoch: int, seq: int, how: Follow
) -> None:
    assert rules.how_to_follow(HELD, epoch, seq, at_most=5) is how


def test_a_database_behind_what_was_seen_went_back() -> None:
    assert rules.went_back(HELD, 7, 9)
    assert rules.went_back(HELD, 6, 99)
    assert not rules.went_back(HELD, 7, 10)
    assert not rules.went_back(HELD, 8, 0)
    assert not rules.went_back(None, 0, 0)


def test_changes_without_a_gap_are_applied() -> None:
    changes = [Change(11, 0, 5), Change(11, 1, 6), Change(12, None, None), Change(13, 0, 5), Change(13, 0, 7)]
    after = rules.apply_changes(HELD, 13, changes)
    assert after is not None
    assert after.place == (7, 13)
    assert after.lists[0].bitmap == status_list.with_bits(status_list.EMPTY, [5, 7])
    assert after.lists[0].version == status_list.version(after.lists[0].bitmap)
    assert after.lists[1].bitmap == status_list.with_bits(status_list.EMPTY, [6])
    assert after.revoked_kids == HELD.revoked_kids
    assert HELD.lists[0] is EMPTY


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [Change(12, 0, 5)],
        [Change(11, 0, 5)],
        [Change(11, 0, 5), Change(12, 2, 5)],
        [Change(11, 0, rules.LISTS_CHANGED), Change(12, 0, 5)],
        [Change(11, 0, rules.mark_from(9)), Change(12, 0, 5)],
    ],
)
def test_changes_with_a_gap_a_mark_or_an_unknown_list_are_not(changes: list[Change]) -> None:
    assert rules.apply_changes(HELD, 12, changes) is None


@pytest.mark.parametrize(
    ("top_idx", "top_list", "needed"),
    [
        (None, None, [0, 1]),
        (None, 1, []),
        (0, 0, [1]),
        ((1 << 20) - 1, 1, []),
        (1 << 20, 1, [2]),
        ((3 << 20) + 1, 1, [2, 3, 4]),
        (5, 66, []),
    ],
)
def test_the_list_in_use_has_a_spare(top_idx: int | None, top_list: int | None, needed: list[int]) -> None:
    assert [*rules.lists_needed(top_idx, top_list)] == needed


@given(st.integers(0, 2**40), st.floats(0, 2**40))
def test_an_epoch_only_rises(epoch: int, now: float) -> None:
    assert rules.next_epoch(epoch, now) > epoch
    assert rules.next_epoch(epoch, now) >= int(now)
