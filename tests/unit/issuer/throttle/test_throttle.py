"""Counted before the work, by one statement."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.issuer.storage import Database
from admit.issuer.throttle import (
    bucket,
    forget_old,
    give_back,
    network,
    prefix,
    queue_of,
    take,
    take_in_network,
)

MINUTE = timedelta(minutes=1)
NOW = 1_800_000_000.0


async def tries(db: Database, count: int, now: float, *, limit: int = 3) -> list[bool]:
    return [
        (await db.run(take, bucket="b", limit=limit, window=MINUTE, now=now)).allowed for _ in range(count)
    ]


async def test_the_limit_is_allowed_and_the_next_is_refused_until_the_window_is_over(db: Database) -> None:
    assert await tries(db, 5, NOW) == [True, True, True, False, False]
    assert await tries(db, 1, NOW + 59.9) == [False]
    assert await tries(db, 4, NOW + 60) == [True, True, True, False]


async def test_a_refusal_says_when_to_come_back(db: Database) -> None:
    await tries(db, 3, NOW)
    verdict = await db.run(take, bucket="b", limit=3, window=MINUTE, now=NOW + 20)
    assert (verdict.allowed, verdict.retry_after) == (False, timedelta(seconds=40))


async def test_parallel_tries_never_pass_the_limit_together(db: Database) -> None:
    verdicts = await asyncio.gather(
        *(db.run(take, bucket="b", limit=7, window=MINUTE, now=NOW) for _ in range(40))
    )
    assert sum(verdict.allowed for verdict in verdicts) == 7


async def test_buckets_do_not_share_a_count(db: Database) -> None:
    await tries(db, 4, NOW)
    assert (await db.run(take, bucket="other", limit=3, window=MINUTE, now=NOW)).allowed


async def test_networks_of_one_ipv6_prefix_share_what_ten_of_them_may(db: Database) -> None:
    async def allowed(ip: str) -> bool:
        verdict = await db.run(take_in_network, kind="k", ip=ip, limit=2, window=MINUTE, now=NOW)
        return verdict.allowed

    assert [await allowed("2001:db8:1:0::1") for _ in range(3)] == [True, True, False]
    assert sum([await allowed(f"2001:db8:1:{number:x}::1") for number in range(1, 40)]) == 18
    assert await allowed("2001:db8:2::1")
    assert [await allowed("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert await allowed("192.0.2.2"), "addresses of IPv4 side by side are strangers"


async def test_a_good_try_is_taken_off_again(db: Database) -> None:
    for _ in range(10):
        assert await tries(db, 1, NOW) == [True]
        await db.run(give_back, bucket="b")
    assert await tries(db, 4, NOW) == [True, True, True, False]


async def test_giving_back_more_than_was_taken_opens_nothing(db: Database) -> None:
    await tries(db, 1, NOW)
    for _ in range(5):
        await db.run(give_back, bucket="b")
    assert await tries(db, 4, NOW) == [True, True, True, False]


async def test_a_clock_that_steps_back_a_little_does_not_restart_the_count(db: Database) -> None:
    await tries(db, 3, NOW)
    assert await tries(db, 1, NOW - 30) == [False]


async def test_a_bucket_from_a_clock_far_ahead_does_not_stay_shut(db: Database) -> None:
    await tries(db, 3, NOW + 86_400)
    assert await tries(db, 1, NOW) == [True]


async def test_old_counters_are_forgotten_and_young_ones_kept(db: Database) -> None:
    await tries(db, 3, NOW)
    await forget_old(db, before=NOW)
    assert await tries(db, 1, NOW) == [False]
    await forget_old(db, before=NOW + 1)
    assert await tries(db, 1, NOW) == [True]


@pytest.mark.parametrize(("limit", "window"), [(0, MINUTE), (-1, MINUTE), (1, timedelta(0))])
async def test_a_throttle_without_a_bound_is_refused(db: Database, limit: int, window: timedelta) -> None:
    with pytest.raises(ValueError, match="positive"):
        await db.run(take, bucket="b", limit=limit, window=window, now=NOW)


@pytest.mark.parametrize(
    ("ip", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("64:ff9b::c000:207", "192.0.2.7"),
        ("", "unknown"),
        ("192.0.2.007", "unknown"),
        ("1.2.3", "unknown"),
        (None, "unknown"),
    ],
)
def test_an_address_has_one_spelling(ip: str | None, counted: str) -> None:
    assert network(ip) == counted


@pytest.mark.parametrize(
    ("ip", "wider", "line"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::", "2001:db8:1::/48", "2001:db8:1::/48"),
        ("192.0.2.7", None, "192.0.2.7"),
        ("::ffff:192.0.2.7", None, "192.0.2.7"),
        ("nonsense", None, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_the_widest_network_of_one_stranger(ip: str | None, wider: str | None, line: str) -> None:
    assert (prefix(ip), queue_of(ip)) == (wider, line)


@given(st.text(max_size=60))
def test_any_text_has_a_network(ip: str) -> None:
    assert network(ip)
    assert queue_of(ip)


def test_parts_of_a_bucket_do_not_run_into_each_other() -> None:
    assert bucket("k", "ab", "c") != bucket("k", "a", "bc")
    assert bucket("k", "a") != bucket("j", "a")
    assert len(bucket("password", "x" * 100_000)) < 64
    assert "alice" not in bucket("password", "alice@example.com")
