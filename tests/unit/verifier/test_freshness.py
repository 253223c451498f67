"""The rules of revocation in bounded time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.errors import RevokedError, StaleRevocationError
from admit.tokens import status_list
from admit.tokens.status_head import Head
from admit.verifier import freshness
from admit.verifier.snapshot import Held
from admit.verifier.trust import Revocation

TERMS = Revocation(max_staleness=timedelta(seconds=30))
ONE = status_list.with_bits(status_list.EMPTY, [1])
TWO = status_list.with_bits(status_list.EMPTY, [2])
BOTH = status_list.with_bits(status_list.EMPTY, [1, 2])


def head(epoch: int, seq: int, lists: Mapping[int, bytes], *, kids: frozenset[str] = frozenset()) -> Head:
    versions = {n: status_list.version(bitmap) for n, bitmap in lists.items()}
    return Head(issuer="i", nonce="n", iat=1_000.0, epoch=epoch, seq=seq, lists=versions, revoked_kids=kids)


def after(held: Held, told: Head, lists: Mapping[int, bytes], at: float) -> Held:
    """One round: the head, then the lists that were asked for."""
    held = freshness.take_head(held, told, at)
    asked = freshness.wanted(held, told)
    return freshness.take_lists(held, told, {n: lists[n] for n in asked if n in lists}, at)


def held_with(bitmap: bytes, *, at: float = 100.0, seq: int = 1) -> Held:
    return after(Held(), head(5, seq, {0: bitmap}), {0: bitmap}, at)


def is_set(held: Held, position: int, n: int = 0) -> bool:
    try:
        freshness.check_bit(held, n, position)
    except RevokedError:
        return True
    return False


def current(held: Held, *, boot: float, iat: float | None = None, wall: float = 1_000.0, n: int = 0) -> bool:
    try:
        freshness.check_current(held, n, iat, wall, boot, TERMS)
    except StaleRevocationError:
        return False
    return True


def test_a_whole_round_is_fresh_as_of_the_start_of_the_question() -> None:
    held = held_with(ONE, at=100.0)
    assert current(held, boot=130.0)
    assert not current(held, boot=130.01)


def test_a_boot_clock_that_runs_backwards_proves_nothing() -> None:
    assert not current(held_with(ONE, at=100.0), boot=99.0)


def test_nothing_is_fresh_before_the_first_round() -> None:
    assert not current(Held(), boot=0.0)


def test_a_set_bit_refuses_however_old_it_is() -> None:
    held = held_with(ONE, at=100.0)
    assert is_set(held, 1)
    assert not is_set(held, 2)


@pytest.mark.rfc("draft-ietf-oauth-status-list", "4")
@given(st.integers(0, status_list.ENTRIES - 1))
def test_bits_are_counted_as_the_list_format_counts_them(position: int) -> None:
    held = Held(bitmaps={0: status_list.with_bits(status_list.EMPTY, [position])})
    assert is_set(held, position)
    assert not is_set(held, position ^ 1)


@pytest.mark.threat("O-4", off="admit.verifier.freshness:is_complete")
def test_a_list_at_another_version_than_named_is_added_but_proves_nothing() -> None:
    held = held_with(status_list.EMPTY, at=100.0)
    later = after(held, head(5, 2, {0: ONE}), {0: TWO}, 110.0)
    assert is_set(later, 2)
    assert later.fresh_at == 100.0
    assert freshness.wanted(later, head(5, 2, {0: ONE})) == {0: status_list.version(TWO)}


@pytest.mark.threat("O-4", off="admit.verifier.freshness:is_complete")
def test_a_head_without_its_lists_proves_nothing() -> None:
    held = after(Held(), head(5, 1, {0: ONE, 1: TWO}), {0: ONE}, 100.0)
    assert not current(held, boot=100.0)
    assert is_set(held, 1)


def test_an_unchanged_list_is_not_asked_for_again() -> None:
    held = held_with(ONE)
    assert freshness.wanted(held, head(5, 2, {0: ONE})) == {}
    assert after(held, head(5, 2, {0: ONE}), {}, 120.0).fresh_at == 120.0


@pytest.mark.threat("SES-6", off="admit.verifier.freshness:add_bits")
def test_no_bit_is_cleared_within_an_epoch() -> None:
    held = after(held_with(ONE), head(5, 2, {0: TWO}), {0: TWO}, 110.0)
    assert is_set(held, 1)
    assert is_set(held, 2)
    assert held.fresh_at == 110.0


@given(st.lists(st.tuples(st.integers(0, 40), st.sets(st.integers(0, 31))), max_size=8))
def test_whatever_is_said_within_an_epoch_no_bit_is_ever_cleared(
    rounds: list[tuple[int, set[int]]],
) -> None:
    held, seen = Held(), set[int]()
    for at, (seq, positions) in enumerate(rounds):
        bitmap = status_list.with_bits(status_list.EMPTY, positions)
        held = after(held, head(5, seq, {0: bitmap}), {0: bitmap}, float(at))
        seen |= {position for position in positions if is_set(held, position)}
        assert all(is_set(held, position) for position in seen)


@pytest.mark.threat("O-4", off="admit.verifier.freshness:is_back")
@pytest.mark.parametrize("place", [(5, 8), (4, 99)])
def test_a_database_that_went_back_is_stale_until_the_epoch_rises(place: tuple[int, int]) -> None:
    held = held_with(ONE, at=100.0, seq=9)
    held = after(held, head(*place, {0: status_list.EMPTY}), {0: status_list.EMPTY}, 101.0)
    assert not current(held, boot=101.0)
    assert is_set(held, 1)
    for seq in (9, 10, 99):  # catching up does not help
        held = after(held, head(5, seq, {0: TWO}), {0: TWO}, 102.0)
        assert not current(held, boot=102.0)
        assert not current(held, boot=102.0, iat=1_000.0)
    held = after(held, head(6, 0, {0: TWO}), {0: TWO}, 103.0)
    assert current(held, boot=103.0)
    assert is_set(held, 2)


@pytest.mark.threat("O-4", off="admit.verifier.freshness:is_complete")
def test_a_new_epoch_counts_once_it_is_whole() -> None:
    held = held_with(ONE, at=100.0)
    told = head(6, 0, {0: TWO, 1: status_list.EMPTY})
    half = after(held, told, {0: TWO}, 110.0)
    assert is_set(half, 2)
    assert half.fresh_at == 100.0
    assert freshness.wanted(half, told) == {1: None}
    assert after(half, told, {1: status_list.EMPTY}, 111.0).fresh_at == 111.0


@pytest.mark.threat("SES-6", off="admit.verifier.freshness:add_bits")
def test_what_a_restored_database_forgot_stays_ended() -> None:
    held = after(held_with(ONE), head(6, 0, {0: TWO}), {0: TWO}, 110.0)
    assert held.fresh_at == 110.0
    assert is_set(held, 1)
    assert is_set(held, 2)
    assert not is_set(held, 3)


def test_a_new_epoch_with_the_same_lists_needs_no_fetch() -> None:
    held = held_with(ONE, at=100.0)
    assert freshness.wanted(held, head(6, 0, {0: ONE})) == {}
    assert after(held, head(6, 0, {0: ONE}), {}, 110.0).fresh_at == 110.0


@pytest.mark.threat("SES-6", off="admit.verifier.freshness:check_bit")
def test_an_end_that_the_stream_tells_refuses_at_once_and_proves_nothing() -> None:
    held = held_with(status_list.EMPTY, at=100.0)
    told = freshness.take_delta(held, [(0, 1), (0, 9)])
    assert is_set(told, 1)
    assert is_set(told, 9)
    assert not is_set(told, 2)
    assert (told.fresh_at, told.epoch, told.seq, told.versions) == (100.0, 5, 1, held.versions)
    assert not current(told, boot=130.1)
    assert not is_set(held, 1), "what readers hold does not change under them"


def test_what_the_stream_tells_again_or_of_lists_not_held_changes_nothing() -> None:
    held = held_with(ONE, at=100.0)
    assert freshness.take_delta(held, [(0, 1), (7, 1)]) is held
    assert freshness.take_delta(held, []) is held


def test_a_stream_that_told_everything_saves_the_fetch() -> None:
    held = freshness.take_delta(held_with(ONE, at=100.0), [(0, 2)])
    told = freshness.take_head(held, head(5, 2, {0: BOTH}), 110.0)
    assert freshness.delivered(told, head(5, 2, {0: BOTH})) == {0: BOTH}
    whole = freshness.take_lists(told, head(5, 2, {0: BOTH}), {0: told.bitmaps[0]}, 110.0)
    assert (whole.fresh_at, whole.versions[0]) == (110.0, status_list.version(BOTH))


@pytest.mark.parametrize("known", [[], [(0, 2), (0, 3)]], ids=["too little", "too much"])
def test_a_stream_that_told_anything_else_does_not(known: list[tuple[int, int]]) -> None:
    held = freshness.take_delta(held_with(ONE, at=100.0), known)
    told = freshness.take_head(held, head(5, 2, {0: BOTH}), 110.0)
    assert freshness.delivered(told, head(5, 2, {0: BOTH})) == {}
    assert 0 in freshness.wanted(told, head(5, 2, {0: BOTH}))
    assert freshness.take_lists(told, head(5, 2, {0: BOTH}), {}, 110.0).fresh_at == 100.0


def test_each_list_has_an_age_of_its_own() -> None:
    lists = {0: ONE, 1: TWO}
    held = after(Held(), head(5, 1, lists), lists, 100.0)
    held = after(held, head(5, 2, {0: ONE, 1: BOTH}), {}, 110.0)
    assert held.list_at == {0: 110.0, 1: 100.0}
    assert after(held, head(5, 3, {1: BOTH}), {1: BOTH}, 120.0).list_at == {1: 120.0}


def test_a_new_epoch_that_goes_back_before_it_is_whole_is_noticed() -> None:
    held = after(held_with(ONE), head(6, 5, {0: TWO}), {}, 110.0)
    held = after(held, head(6, 4, {0: TWO}), {0: TWO}, 111.0)
    assert not current(held, boot=111.0)


def test_a_list_that_left_is_let_go_and_its_tokens_are_not_taken() -> None:
    held = after(held_with(ONE), head(5, 2, {1: TWO}), {1: TWO}, 110.0)
    assert 0 not in held.bitmaps
    assert not current(held, boot=110.0)
    assert current(held, boot=110.0, n=1)


@pytest.mark.threat("INF-keys", off="admit.verifier.freshness:check_kid")
def test_a_revoked_key_stays_revoked() -> None:
    held = after(Held(), head(5, 1, {0: ONE}, kids=frozenset({"k1"})), {0: ONE}, 100.0)
    held = after(held, head(5, 2, {0: ONE}), {}, 101.0)
    with pytest.raises(RevokedError):
        freshness.check_kid(held, "k1")
    freshness.check_kid(held, "k2")
    freshness.check_kid(held, None)


def test_a_young_token_needs_no_list_yet() -> None:
    held = held_with(ONE, at=100.0)  # the issuer's clock said 1,000 then
    assert current(held, boot=120.0, wall=1_020.0, iat=995.0, n=77)
    assert not current(held, boot=120.0, wall=1_020.0, iat=994.0, n=77)
    assert not current(held, boot=120.0, wall=1_020.0, iat=None, n=77)
    assert current(held, boot=120.0, wall=1_020.0, iat=1_020.0, n=77)


@pytest.mark.threat("O-3", off="admit.verifier.freshness:agrees")
@pytest.mark.parametrize("behind", [5.1, 5.5, 5.99])
def test_nobody_is_young_for_longer_than_the_bound_though_an_iat_is_cut_to_whole_seconds(
    behind: float,
) -> None:
    """The issuer's clock said 1,000.999 when it wrote 1,000: this one seems to be within its leeway of 5 s."""
    issuers = 1_020.999
    wall = issuers - behind
    assert not current(held_with(ONE, at=100.0), boot=120.0, wall=wall, iat=issuers - 30.001, n=77)


@pytest.mark.parametrize("behind", [-4.0, 0.0, 3.0, 4.0])
@pytest.mark.parametrize("cut", [0.0, 0.5, 0.999])
def test_a_clock_within_the_leeway_is_told_from_whole_seconds(behind: float, cut: float) -> None:
    wall = 1_020.0 + cut - behind
    assert current(held_with(ONE, at=100.0), boot=120.0, wall=wall, iat=wall - 20, n=77)


@pytest.mark.parametrize("place", [(5, 3), (5, 99)])
def test_a_list_signed_after_the_heads_place_has_all_that_the_head_tells_of(
    place: tuple[int, int],
) -> None:
    assert freshness.is_later(place, head(5, 2, {0: ONE}))


@pytest.mark.threat("O-4", off="admit.verifier.freshness:is_later")
@pytest.mark.parametrize("place", [(5, 1), (5, 2), (4, 9), (6, 9), None])
def test_another_list_signed_up_to_the_head_or_in_another_epoch_may_lack_some(
    place: tuple[int, int] | None,
) -> None:
    assert not freshness.is_later(place, head(5, 2, {0: ONE}))


def test_later_lists_prove_and_lists_at_another_version_do_not() -> None:
    told = head(5, 2, {0: ONE, 1: TWO})
    held = freshness.take_head(held_with(status_list.EMPTY, at=100.0), told, 110.0)
    for later, lists in ((frozenset[int](), {0: BOTH, 1: TWO}), (frozenset({0}), {0: BOTH})):
        unproved = freshness.take_lists(held, told, lists, 110.0, later)
        assert unproved.fresh_at == 100.0
        assert is_set(unproved, 2), "each of its bits is an end all the same"
    proved = freshness.take_lists(held, told, {0: BOTH, 1: TWO}, 110.0, frozenset({0}))
    assert (proved.fresh_at, dict(proved.list_at)) == (110.0, {0: 110.0, 1: 110.0})


@pytest.mark.threat("O-3", off="admit.verifier.freshness:is_reached")
def test_a_list_from_beyond_the_head_proves_once_a_later_head_has_reached_it() -> None:
    told, later = head(5, 2, {0: ONE}), frozenset({0})
    start = freshness.take_head(held_with(status_list.EMPTY, at=100.0), told, 110.0)
    held = freshness.take_lists(start, told, {0: BOTH}, 110.0, later, (5, 4))
    assert (held.fresh_at, held.epoch, held.seq, held.list_at[0]) == (100.0, 5, 4, 100.0)
    assert freshness.needs_confirming(held, told, later)

    def confirmed(second: Head) -> Held:
        return freshness.confirm(freshness.take_head(held, second, 111.0), told, second, 110.0, later)

    for place in ((5, 4), (5, 5)):
        good = confirmed(head(*place, {0: BOTH, 1: ONE}))
        assert (good.fresh_at, good.went_back, good.list_at[0]) == (110.0, False, 110.0)
    back = confirmed(head(5, 3, {0: ONE}))
    assert (back.fresh_at, back.went_back) == (None, True)
    assert confirmed(head(6, 0, {0: BOTH})).fresh_at == 100.0, (
        "an epoch that rose says nothing of the one before"
    )


def test_what_a_list_told_of_the_order_of_ends_is_never_undone() -> None:
    held = freshness.take_head(Held(), head(5, 2, {0: ONE, 1: TWO}), 110.0)
    held = freshness.take_lists(held, head(5, 2, {0: ONE, 1: TWO}), {0: ONE}, 110.0, reached=(5, 9))
    assert freshness.is_back(held, head(5, 8, {0: ONE}))
    assert not freshness.is_back(held, head(5, 9, {0: ONE}))


def refusal(held: Held, n: int, *, boot: float = 100.0, iat: float | None = None) -> type[Exception] | None:
    try:
        freshness.check_status(held, "k", n, 9, iat, 900.0 + boot, boot, TERMS)
    except (RevokedError, StaleRevocationError) as error:
        return type(error)
    return None


def test_a_list_that_was_retired_refuses_and_one_that_may_be_new_does_not() -> None:
    lists = {2: ONE, 5: TWO, 70: TWO}
    held = after(Held(), head(5, 1, lists), lists, 100.0)
    for n in (0, 1, 3, 4, 6, 69):
        assert refusal(held, n) is RevokedError
        assert refusal(held, n, iat=999.0) is RevokedError, "nobody begins in such a list"
    for n in lists:
        assert refusal(held, n) is None
    for n in (71, 72, 900):
        assert refusal(held, n) is StaleRevocationError
        assert refusal(held, n, iat=999.0) is None


def test_only_a_fresh_state_tells_that_a_list_was_retired() -> None:
    lists = {2: ONE, 5: TWO}
    held = after(Held(), head(5, 1, lists), lists, 100.0)
    assert refusal(held, 0, boot=130.0) is RevokedError
    assert refusal(held, 0, boot=130.1) is StaleRevocationError
    assert refusal(Held(), 0) is StaleRevocationError
    back = freshness.take_head(held, head(5, 0, {5: TWO}), 101.0)
    assert refusal(back, 0, boot=101.0) is StaleRevocationError


def test_a_list_that_is_named_and_could_not_be_had_yet_is_not_retired() -> None:
    lists = {2: ONE, 5: TWO}
    held = after(Held(), head(5, 1, lists), lists, 100.0)
    held = after(held, head(5, 2, {1: ONE, **lists}), {}, 105.0)
    assert refusal(held, 1, boot=106.0) is StaleRevocationError
    assert refusal(held, 0, boot=106.0) is RevokedError


def test_a_young_token_needs_no_whole_round_yet() -> None:
    """Heads come and lists do not: tokens that were issued meanwhile are good."""
    held = freshness.take_head(held_with(ONE, at=100.0), head(5, 2, {0: BOTH}), 200.0)
    assert current(held, boot=210.0, wall=1_010.0, iat=1_000.0)
    assert not current(held, boot=210.0, wall=1_010.0, iat=984.0)


@pytest.mark.threat("INF-keys", off="admit.verifier.freshness:knows_keys")
def test_nobody_is_young_once_the_last_head_is_older_than_the_bound() -> None:
    """Its key may have been revoked since, and whoever stole it writes any `iat`."""
    held = held_with(ONE, at=100.0)
    assert current(held, boot=130.0, wall=1_030.0, iat=1_030.0, n=77)
    assert not current(held, boot=130.01, wall=1_030.01, iat=1_030.0, n=77)
    assert not current(held, boot=90_000.0, wall=90_900.0, iat=90_900.0)


def test_a_young_token_in_an_ended_family_is_refused_all_the_same() -> None:
    held = held_with(ONE, at=100.0)
    with pytest.raises(RevokedError):
        freshness.check_status(held, "k", 0, 1, 1_000.0, 1_000.0, 100.0, TERMS)


@pytest.mark.parametrize("off", [-6.0, 6.0, 3_600.0])
def test_a_clock_that_disagrees_with_the_issuers_makes_nobody_young(off: float) -> None:
    held = held_with(ONE, at=100.0)
    assert current(held, boot=120.0, wall=1_020.0, iat=1_020.0, n=77)
    assert not current(held, boot=120.0, wall=1_020.0 + off, iat=1_020.0 + off, n=77)


def test_nobody_is_young_before_a_head_was_had() -> None:
    assert not current(Held(), boot=0.0, iat=1_000.0)


@given(
    st.floats(0, 100),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from(["k1", "k2", None]),
    st.floats(900, 1_100),
)
def test_the_quick_check_says_what_the_single_rules_say(
    boot: float, position: int, has_list: bool, kid: str | None, iat: float
) -> None:
    held = replace(held_with(ONE, at=50.0), revoked_kids=frozenset({"k1"}))
    n = 0 if has_list else 9

    def one_by_one() -> None:
        freshness.check_kid(held, kid)
        freshness.check_bit(held, n, position)
        freshness.check_current(held, n, iat, 1_000.0 + boot - 50, boot, TERMS)

    def outcome(check: object) -> type[Exception] | None:
        try:
            check()  # type: ignore[operator]  # both are functions of no argument
        except (RevokedError, StaleRevocationError) as error:
            return type(error)
        return None

    assert outcome(one_by_one) == outcome(
        lambda: freshness.check_status(held, kid, n, position, iat, 1_000.0 + boot - 50, boot, TERMS)
    )
