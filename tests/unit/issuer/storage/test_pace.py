"""A sweep takes as much at a time as is done in some milliseconds, whatever the disk is like, and rests for longer."""

from admit.issuer.storage.pace import AIM, REST, SHORTEST_REST, Pace


def settled(pace: Pace, *, flush: float, row: float, portions: int = 60) -> int:
    """The rows of a portion after many of them, where each takes so long to flush and so long for each row."""
    for _ in range(portions):
        pace.took(pace.rows, flush + pace.rows * row)
    return pace.rows


def test_a_portion_comes_to_take_what_is_aimed_at() -> None:
    for row in (2e-6, 10e-6, 50e-6):
        rows = settled(Pace(most=100_000), flush=0.001, row=row)
        assert AIM / 2 <= 0.001 + rows * row <= AIM, row


def test_it_shrinks_where_rows_are_dear_and_grows_where_they_are_cheap() -> None:
    pace = Pace()
    dear = settled(pace, flush=0.001, row=80e-6)
    assert dear < 60
    assert settled(pace, flush=0.0001, row=1e-6) == pace.most > 10 * dear


def test_it_keeps_to_its_bounds_however_long_it_takes() -> None:
    pace = Pace(rows=400, least=20, most=500)
    assert settled(pace, flush=30.0, row=1.0) == 20
    assert settled(pace, flush=0.0, row=0.0) == 500
    assert Pace(rows=400, most=10).rows == 10
    assert settled(Pace(rows=400, least=20, most=10), flush=30.0, row=1.0) == 10


def test_one_slow_portion_halves_it_and_no_more() -> None:
    pace = Pace(rows=400)
    pace.took(400, 60.0)
    assert pace.rows == 200


def test_a_portion_that_was_not_a_whole_one_says_nothing_of_more() -> None:
    pace = Pace(rows=100)
    pace.took(99, 0.0001)
    assert pace.rows == 100
    pace.took(100, 0.0001)
    assert pace.rows == 126
    pace.took(3, 2 * AIM)
    assert pace.rows == 63


def test_it_rests_for_longer_than_it_worked() -> None:
    pace = Pace()
    assert pace.took(100, 0.010) == REST * 0.010
    assert pace.took(100, 1.0) == REST * 1.0
    assert pace.took(100, 0.0) == SHORTEST_REST
