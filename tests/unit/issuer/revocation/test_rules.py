"""Decisions without a database."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.issuer.revocation import StatusState, rules
from admit.issuer.revocation.rules import Change
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


def test_marks_and_lists_that_left_before_the_lists_were_read_are_dealt_with() -> None:
    changes = [Change(11, 0, rules.LISTS_CHANGED), Change(11, 9, 4), Change(12, 0, 5)]
    assert rules.apply_changes(HELD, 12, changes) is None
    assert rules.apply_changes(HELD, 12, changes, settled=10) is None
    after = rules.apply_changes(HELD, 12, changes, settled=11)
    assert after is not None
    assert after.lists[0].bitmap == status_list.with_bits(status_list.EMPTY, [5])
    assert after.place == (7, 12)


def test_a_log_is_whole_when_it_tells_of_every_step() -> None:
    assert rules.is_whole(10, 12, [Change(11, None, None), Change(12, 0, 1), Change(12, 0, 2)])
    assert rules.is_whole(10, 10, [])
    assert not rules.is_whole(10, 12, [Change(12, 0, 1)])
    assert not rules.is_whole(10, 11, [])
    assert not rules.is_whole(11, 10, [])


def test_the_bits_of_a_log_are_told_one_by_one_unless_a_mark_is_among_them() -> None:
    plain = [Change(11, 0, 5), Change(12, None, None), Change(13, 1, 6)]
    assert rules.bits_of(plain) == [(0, 5), (1, 6)]
    assert rules.bits_of([*plain, Change(14, 0, rules.LISTS_CHANGED)]) is None
    assert rules.bits_of([*plain, Change(14, 0, rules.mark_from(3))]) is None
    assert rules.bits_of([]) == []


def test_a_mark_of_ended_indices_is_told_from_one_of_the_set_of_lists() -> None:
    assert rules.tells_only_of_lists([Change(11, 0, 5), Change(12, 0, rules.LISTS_CHANGED)])
    assert not rules.tells_only_of_lists(
        [Change(11, 0, rules.LISTS_CHANGED), Change(12, 0, rules.mark_from(3))]
    )


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
