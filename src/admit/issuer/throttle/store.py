"""The table `throttle`: a counter a bucket, restarted when its window is over."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Column, Double, Integer, Table, Text, bindparam, case, or_, select, update

from admit.issuer.storage import Database, Statement, Steps, metadata, upsert
from admit.issuer.storage.portions import Portions
from admit.issuer.throttle.buckets import bucket, network, prefix
from admit.issuer.throttle.records import Verdict

WIDER: Final = 10
"""How many times of a network's limit all networks of one IPv6 /48 have together."""

throttle: Final = Table(
    "throttle",
    metadata,
    Column("bucket", Text, primary_key=True),
    Column("window_start", Double, nullable=False),
    Column("count", Integer, nullable=False),
)

_now, _window = bindparam("now", type_=Double), bindparam("window", type_=Double)
# Over, or begun so far ahead that a clock must have been wrong: otherwise such a bucket would stay shut.
_over = or_(throttle.c.window_start <= _now - _window, throttle.c.window_start > _now + _window)

# One statement counts and decides, so that parallel tries can not all see the last free place. A refused try writes
# nothing: a flood costs a read.
TAKE = Statement(
    upsert(throttle)
    .values(bucket=bindparam("bucket"), window_start=_now, count=1)
    .on_conflict_do_update(
        index_elements=["bucket"],
        set_={
            "count": case((_over, 1), else_=throttle.c.count + 1),
            "window_start": case((_over, _now), else_=throttle.c.window_start),
        },
        where=or_(_over, throttle.c.count < bindparam("limit", type_=Integer)),
    )
    .returning(throttle.c.count)
)
READ_START = Statement(select(throttle.c.window_start).where(throttle.c.bucket == bindparam("bucket")))
GIVE_BACK = Statement(
    update(throttle)
    .where(throttle.c.bucket == bindparam("bucket_"), throttle.c.count > 0)
    .values(count=throttle.c.count - 1)
)
FORGET = Portions(throttle, throttle.c.window_start < bindparam("before", type_=Double))


def take(*, bucket: str, limit: int, window: timedelta, now: float) -> Steps[Verdict]:
    """Count one try; at most `limit` within `window` of the first are allowed, for all nodes together.

    Run it as a transaction of its own, before the work: counted inside the work's transaction, a failure would roll
    the count back, and that is the very thing to be counted. Two windows may meet, so `limit` twice in a row is the
    most that passes within one `window`.
    """
    if limit < 1 or window <= timedelta(0):
        raise ValueError("a throttle wants a positive limit and window")
    rows = yield TAKE(bucket=bucket, limit=limit, window=window.total_seconds(), now=now)
    if rows:
        return Verdict(True, timedelta(0))
    rows = yield READ_START(bucket=bucket)
    left = rows[0]["window_start"] + window.total_seconds() - now if rows else 0.0
    return Verdict(False, timedelta(seconds=min(max(left, 1.0), window.total_seconds())))


def take_in_network(
    *, kind: str, ip: str | None, limit: int, window: timedelta, now: float
) -> Steps[Verdict]:
    """As `take`, of what strangers from one network may do so often. The /48 of an IPv6 address may do `WIDER` times as
    much in all, or whoever rents one could do it 65,536 times.
    """
    name, wider = bucket(kind, network(ip)), prefix(ip)
    verdict = yield from take(bucket=name, limit=limit, window=window, now=now)
    if verdict.allowed and wider is not None:
        name = bucket(f"{kind}-prefix", wider)
        verdict = yield from take(bucket=name, limit=WIDER * limit, window=window, now=now)
    return verdict


def give_back(*, bucket: str) -> Steps[None]:
    """Take one try off again: it turned out to be a good one, and only bad ones are to be counted."""
    yield GIVE_BACK(bucket_=bucket)


async def forget_old(db: Database, *, before: float) -> None:
    """Delete counters whose window began before `before` (seconds since the epoch), some at a time; for the sweeper.

    Raises:
        StorageUnavailableError: not reached; the next call goes on.
    """
    await FORGET.delete_all(db, before=before)
