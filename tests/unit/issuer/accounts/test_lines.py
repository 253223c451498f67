"""Who waits for a hash, and who is next."""

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest

from admit.issuer.accounts.lines import Lines, too_many_known


@dataclass(eq=False)
class Someone:
    network: str
    known: bool = False


def joined(*waiters: Someone) -> Lines[Someone]:
    lines: Lines[Someone] = Lines()
    for waiter in waiters:
        lines.join(waiter)
    return lines


def in_turn(lines: Lines[Someone]) -> list[Someone]:
    found = []
    while (waiter := lines.next()) is not None:
        found.append(waiter)
    return found


def test_each_network_has_its_turn_however_many_of_one_wait() -> None:
    many = [Someone("m") for _ in range(20)]
    few = [Someone("f") for _ in range(2)]
    turns = in_turn(joined(*many, *few))
    assert turns[:4] == [many[0], few[0], many[1], few[1]]
    assert [one for one in turns if one.network == "m"] == many, "first come, first served in each line"


def test_known_devices_go_first_three_to_one() -> None:
    known, strangers = [Someone("k", known=True) for _ in range(8)], [Someone("s") for _ in range(3)]
    turns = in_turn(joined(*strangers, *known))
    assert [one.known for one in turns] == [True] * 3 + [False] + [True] * 3 + [False] + [True] * 2 + [False]


def test_when_all_places_are_taken_the_last_of_the_longest_line_gives_way() -> None:
    many, other = [Someone("m") for _ in range(5)], Someone("o")
    lines = joined(*many, other)
    newcomer = Someone("n")
    assert lines.give_way(newcomer) is many[-1]
    lines.join(newcomer)
    assert lines.give_way(Someone("m")) is None, "of one's own line nobody gives way"
    assert len(lines) == 6


def test_nobody_gives_way_where_no_line_is_longer_than_the_newcomers_would_be() -> None:
    lines = joined(*(Someone(f"n{number}") for number in range(5)))
    assert lines.give_way(Someone("another")) is None
    assert lines.give_way(Someone("n1")) is None


def test_a_stranger_gives_way_to_a_known_device() -> None:
    stranger, known = Someone("s"), [Someone("k", known=True) for _ in range(9)]
    lines = joined(stranger, *known)
    assert lines.give_way(Someone("k2", known=True)) is stranger
    assert lines.give_way(Someone("k2", known=True)) is known[-1]


def test_a_known_device_gives_way_to_no_stranger_while_they_hold_their_share() -> None:
    known = [Someone("k", known=True) for _ in range(9)]
    strangers = [Someone(f"s{number}") for number in range(3)]
    assert joined(*known, *strangers).give_way(Someone("other")) is None
    flood = [Someone(f"s{number}") for number in range(40)]
    assert joined(*known, *flood).give_way(Someone("other")) is None


@pytest.mark.threat("PWD-6", off="admit.issuer.accounts.lines:too_many_known")
def test_whoever_has_an_account_cannot_keep_all_strangers_out() -> None:
    known = [Someone("flooder", known=True) for _ in range(12)]
    lines, kept_out = joined(*known), 0
    for number in range(20):
        newcomer = Someone(f"s{number}")
        gone = lines.give_way(newcomer)
        if gone is None:
            kept_out += 1
        else:
            lines.join(newcomer)
    assert kept_out == 20 - 3
    assert [one.known for one in in_turn(lines)].count(False) == 3


def test_known_devices_of_many_networks_give_way_to_nobody() -> None:
    lines = joined(*(Someone(f"k{number}", known=True) for number in range(12)))
    assert lines.give_way(Someone("other")) is None


def test_who_leaves_is_not_called() -> None:
    one, two = Someone("a"), Someone("a")
    lines = joined(one, two)
    assert lines.leave(one)
    assert not lines.leave(one)
    assert in_turn(lines) == [two]
    assert not lines.leave(two)
    assert (len(lines), lines.next()) == (0, None)


@pytest.mark.parametrize("places", [1, 7, 66])
def test_nobody_is_lost_and_nobody_called_twice(rng: Random, places: int) -> None:
    lines: Lines[Someone] = Lines()
    waiting: set[Someone] = set()
    for _ in range(2_000):
        step = rng.random()
        if step < 0.6:
            newcomer = Someone(rng.choice("aaaaaabcdef"), known=rng.random() < 0.2)
            if len(lines) >= places:
                known = sum(one.known for one in waiting)
                gone = lines.give_way(newcomer)
                if gone is None:
                    continue
                waiting.remove(gone)
                assert newcomer.known or not gone.known or too_many_known(known, places)
            lines.join(newcomer)
            waiting.add(newcomer)
        elif step < 0.9:
            called = lines.next()
            assert (called is None) is (not waiting)
            waiting.discard(called)
        elif waiting:
            leaver = rng.choice(sorted(waiting, key=id))
            assert lines.leave(leaver)
            waiting.remove(leaver)
        assert len(lines) == len(waiting) <= places
    assert Counter(in_turn(lines)) == Counter(waiting)
