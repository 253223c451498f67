"""What a process holds: bounded, and forgotten only when it is over by both clocks."""

import time

import pytest

from admit.errors import ConfigError, EndStoreError, EndStoreFullError
from admit.verifier.ends.held import HeldEnds
from admit.verifier.ends.memory import MemoryEndStore
from tests.fixtures.status_issuer import NOW, Clock
from tests.unit.verifier.ends.making import ISSUER, clocks, end


def held(clock: Clock, limit: int = 10) -> HeldEnds:
    return HeldEnds(limit=limit, wall=clock.walltime, boottime=clock.boottime)


def test_an_end_is_forgotten_once_it_is_over() -> None:
    clock = Clock()
    found = held(clock)
    found.take([end(until=NOW + 100)])
    clock.pass_time(99)
    assert not found.forget()
    assert found.view.is_ended(ISSUER, "alice", iat=NOW)
    clock.pass_time(61)
    assert found.forget() == [end(until=NOW + 100)]
    assert not found.view.is_ended(ISSUER, "alice", iat=NOW)
    assert len(found) == found.view.count == 0


@pytest.mark.threat("O-3", off="admit.verifier.ends.held:may_forget")
def test_a_wall_clock_that_is_set_forward_makes_nothing_forgotten() -> None:
    clock = Clock()
    found = held(clock)
    found.take([end(until=NOW + 86_400)])
    clock.wall += 90_000
    assert not found.forget()
    clock.wall = NOW
    assert found.view.is_ended(ISSUER, "alice", iat=NOW)


def test_what_is_over_already_is_not_held() -> None:
    found = held(Clock())
    found.take([end(until=NOW - 1)])
    assert len(found) == 0


def test_many_ends_are_all_found_again() -> None:
    clock = Clock()
    found = held(clock, limit=5_000)
    for number in range(2_500):
        found.take([end(subject=f"u{number}")])
    assert all(found.view.is_ended(ISSUER, f"u{number}", iat=NOW) for number in range(2_500))
    assert not found.view.is_ended(ISSUER, "u2500", iat=NOW)
    assert found.view.count == 2_500


def test_a_view_that_was_taken_does_not_change() -> None:
    found = held(Clock())
    before = found.view
    found.take([end()])
    assert not before.is_ended(ISSUER, "alice", iat=NOW)
    assert found.view.is_ended(ISSUER, "alice", iat=NOW)


def test_asking_takes_as_long_with_many_ends_as_with_few() -> None:
    few, many = held(Clock()), held(Clock(), limit=100_000)
    few.take([end()])
    many.take([end(subject=f"u{number}") for number in range(50_000)])

    def took(found: HeldEnds) -> float:
        view, began = found.view, time.perf_counter()
        for _ in range(5_000):
            view.is_ended(ISSUER, "carol", "s", "t", NOW)
        return time.perf_counter() - began

    assert min(took(many) for _ in range(5)) < 5 * min(took(few) for _ in range(5))


def test_a_full_store_says_so_and_drops_nothing() -> None:
    store = MemoryEndStore(limit=3, **clocks(Clock()))
    assert store.add([end(subject="a")])
    assert store.add([end(subject="b")])
    with pytest.raises(EndStoreFullError):
        store.add([end(subject="c")])
    assert store.view.is_ended(ISSUER, "a", iat=NOW)
    assert store.view.is_ended(ISSUER, "b", iat=NOW)
    assert not store.add([end(subject="a")])  # what is there needs no room


@pytest.mark.threat("O-3", off="admit.verifier.ends.held:has_room")
def test_an_issuer_that_floods_a_store_keeps_no_others_ends_out() -> None:
    store = MemoryEndStore(limit=100, **clocks(Clock()))

    def flood(issuer: str) -> int:
        """How many of it are taken."""
        for number in range(200):
            try:
                store.add([end(issuer=issuer, subject=f"u{number}")])
            except EndStoreFullError:
                return number
        raise AssertionError("no bound at all")

    assert [flood(f"https://{name}.example") for name in "abcd"] == [50, 25, 13, 6]
    assert store.add([end(subject="alice")])
    assert store.view.is_ended(ISSUER, "alice", iat=NOW)
    assert store.view.is_ended("https://a.example", "u49", iat=NOW), "and nothing is dropped for it"
    assert store.view.counts == {
        "https://a.example": 50,
        "https://b.example": 25,
        "https://c.example": 13,
        "https://d.example": 6,
        ISSUER: 1,
    }


def test_a_share_is_free_again_once_its_ends_are_over() -> None:
    clock = Clock()
    store = MemoryEndStore(limit=4, **clocks(clock))
    store.add([end(subject="a", until=NOW + 10), end(subject="b", until=NOW + 10)])
    with pytest.raises(EndStoreFullError):
        store.add([end(subject="c")])
    clock.pass_time(11)
    assert store.add([end(subject="c"), end(subject="d")])
    assert store.view.counts == {ISSUER: 2}


def test_a_full_store_has_room_again_once_something_is_over() -> None:
    clock = Clock()
    store = MemoryEndStore(limit=1, **clocks(clock))
    store.add([end(subject="a", until=NOW + 10)])
    clock.pass_time(11)
    assert store.add([end(subject="b")])


def test_more_than_twice_the_limit_is_not_even_read() -> None:
    with pytest.raises(EndStoreError):
        held(Clock(), limit=2).take([end(subject=f"u{number}") for number in range(5)])


def test_an_end_told_again_is_not_new() -> None:
    store = MemoryEndStore(**clocks(Clock()))
    assert store.add([end()])
    assert not store.add([end()])
    assert store.add([end(said_by="e2")])
    assert store.view.count == 2


def test_memory_has_nothing_to_read_and_nothing_to_wait_for() -> None:
    store = MemoryEndStore()
    store.start()
    assert store.is_fresh()
    assert store.age() == 0
    assert store.pending() is None
    store.close()


@pytest.mark.parametrize("changes", [{"keep": 0}, {"keep": 86_400}, {"limit": 0}])
def test_numbers_that_cannot_work_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        MemoryEndStore(**changes)  # type: ignore[arg-type]  # the wrong types are the point
