"""Positions: a bijection that needs the seed."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.issuer.revocation.permutation import SEED_BYTES, Permutation
from admit.tokens.status_list import EMPTY, ENTRIES, OCTETS, is_set, with_bits

SEED = bytes(range(SEED_BYTES))
PERMUTATION = Permutation(SEED)
seeds = st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES)
lows = st.integers(0, ENTRIES - 1)
FIRST = [948753, 950944, 285542, 28134]


@pytest.mark.slow
def test_every_index_has_a_position_of_its_own() -> None:
    taken = bytearray(ENTRIES)
    for low in range(ENTRIES):
        taken[PERMUTATION.forward(low)] = 1
    assert taken.count(1) == ENTRIES


@given(seeds, lows)
def test_a_position_leads_back_to_its_index(seed: bytes, low: int) -> None:
    permutation = Permutation(seed)
    assert 0 <= permutation.forward(low) < ENTRIES
    assert permutation.backward(permutation.forward(low)) == low


@given(seeds, seeds, st.integers(0, ENTRIES - 100))
def test_another_seed_gives_other_positions(one: bytes, other: bytes, low: int) -> None:
    if one != other:
        span = range(low, low + 100)
        assert [*map(Permutation(one).forward, span)] != [*map(Permutation(other).forward, span)]


def test_the_positions_of_a_seed_never_change() -> None:
    assert [PERMUTATION.forward(low) for low in (0, 1, 2, ENTRIES - 1)] == FIRST


def test_neighbours_do_not_stay_neighbours() -> None:
    """A thousand families opened in a row spread over the whole list."""
    positions = sorted(map(PERMUTATION.forward, range(1000)))
    gaps = [after - before for before, after in itertools.pairwise(positions)]
    assert max(gaps) < 15 * ENTRIES / 1000
    assert sum(gap == 1 for gap in gaps) < 10
    tenths = [sum(p * 10 // ENTRIES == tenth for p in positions) for tenth in range(10)]
    assert all(60 < count < 140 for count in tenths)


@pytest.mark.parametrize("low", [ENTRIES - 1, ENTRIES - 500, 500, 1])
def test_from_an_index_on_every_bit_is_set_and_none_before(low: int) -> None:
    bitmap = PERMUTATION.bitmap_from(low)
    assert len(bitmap) == OCTETS
    assert int.from_bytes(bitmap, "little").bit_count() == ENTRIES - low
    near = [n for n in range(low - 300, low + 300) if 0 <= n < ENTRIES]
    assert [is_set(bitmap, PERMUTATION.forward(n)) for n in near] == [n >= low for n in near]


def test_from_zero_on_is_the_whole_list_and_from_the_end_on_nothing() -> None:
    assert PERMUTATION.bitmap_from(0) == b"\xff" * OCTETS
    assert PERMUTATION.bitmap_from(ENTRIES) == with_bits(EMPTY, [])


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_a_seed_of_another_length_is_refused(seed: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Permutation(seed)


def test_the_seed_is_not_shown() -> None:
    assert repr(PERMUTATION) == "Permutation(...)"
