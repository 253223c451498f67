"""The Redis store: read by others, whole again after Redis lost its data, and closed when it cannot be asked."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis

from admit.errors import ConfigError, EndStoreError, EndStoreFullError
from admit.verifier.ends.redis import RedisEndStore
from tests.fixtures.redis import RedisServer
from tests.fixtures.status_issuer import NOW, Clock
from tests.unit.verifier.ends.making import ISSUER, clocks, end, fork

Make = Callable[..., RedisEndStore]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admit.verifier.ends.redis._GRACE", 0.0)


@pytest.fixture
def store(redis_url: str, clock: Clock) -> Make:
    return lambda **more: RedisEndStore(redis_url, **{**clocks(clock), **more})


def ended(found: RedisEndStore, subject: str = "alice", iat: float = NOW) -> bool:
    return found.view.is_ended(ISSUER, subject, iat=iat)


def test_what_one_added_the_other_reads(store: Make) -> None:
    one, two = store(), store()
    assert one.add([end()])
    assert ended(one)
    two.read_now()
    assert ended(two)
    assert not ended(two, "bob")
    two.add([end(subject="bob"), end(subject="carol")])
    one.read_now()
    assert ended(one, "bob")
    assert ended(one, "carol")


def test_the_same_end_is_new_once_whoever_is_told(store: Make) -> None:
    one, two = store(), store()
    assert one.add([end()])
    assert not two.add([end()])
    assert not one.add([end()])


def test_many_ends_are_read_in_several_turns(store: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admit.verifier.ends.redis._BATCH", 7)
    one, two = store(), store()
    one.add([end(subject=f"u{number}") for number in range(30)])
    two.read_now()
    assert all(ended(two, f"u{number}") for number in range(30))
    one.add([end(subject="alice")])
    two.read_now()
    assert ended(two)


def test_all_keys_have_one_hash_tag(store: Make, redis_url: str) -> None:
    store(name="shop").add([end()])
    with redis.Redis.from_url(redis_url) as client:
        assert sorted(client.keys()) == [b"{shop}:head", b"{shop}:log"]


def test_a_full_store_takes_no_more_and_keeps_what_it_has(store: Make) -> None:
    one, two = store(limit=3), store(limit=3)
    one.add([end(subject="a"), end(subject="b")])
    with pytest.raises(EndStoreFullError):
        one.add([end(subject="c")])
    with pytest.raises(EndStoreFullError):
        two.add([end(subject="c")])
    two.read_now()
    assert ended(two, "a")


def test_what_is_over_leaves_redis(store: Make, clock: Clock, redis_url: str) -> None:
    one = store()
    one.add([end(subject="bob", until=NOW + 10), end(subject="alice")])
    one.read_now()
    clock.pass_time(100)
    one.read_now()
    assert not ended(one, "bob")
    with redis.Redis.from_url(redis_url) as client:
        assert client.zcard("{admit:ends}:log") == 1
        assert client.hget("{admit:ends}:head", "count") == b"1"
    two = store()
    two.read_now()
    assert ended(two)


@pytest.mark.threat("O-3", off="admit.verifier.ends.redis:RedisEndStore._join")
def test_a_redis_that_lost_everything_gets_it_back_from_who_knows_it(store: Make, redis_url: str) -> None:
    one, two = store(), store()
    one.add([end(subject="alice")])
    one.read_now()
    two.read_now()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    two.read_now()
    assert ended(two)
    two.add([end(subject="bob")])
    later = store()
    later.read_now()
    assert ended(later, "alice")
    assert ended(later, "bob")
    one.read_now()
    assert ended(one, "bob")


def test_nobody_is_refused_while_somebody_remembers(store: Make, clock: Clock, redis_url: str) -> None:
    one = store()
    one.read_now()
    clock.pass_time(100)
    one.read_now()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    one.read_now()
    later = store()
    later.read_now()
    assert one.view.since == later.view.since == NOW
    assert not ended(later, "anybody", iat=NOW + 1)


def test_who_remembers_mends_what_a_newcomer_began(store: Make, clock: Clock, redis_url: str) -> None:
    one = store()
    one.add([end(subject="alice")])
    clock.pass_time(100)
    one.read_now()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    newcomer = store()
    newcomer.read_now()
    assert newcomer.view.since == NOW + 100
    one.read_now()
    newcomer.read_now()
    assert newcomer.view.since == NOW
    assert ended(newcomer)


@pytest.mark.threat("O-3", off="admit.verifier.ends.view:is_unknown")
def test_where_nobody_remembers_older_tokens_are_refused(store: Make, clock: Clock, redis_url: str) -> None:
    store().add([end(subject="alice")])
    clock.pass_time(100)
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    later = store()
    later.read_now()
    assert ended(later, "alice", iat=NOW)
    assert ended(later, "anybody", iat=NOW + 99)
    assert not ended(later, "anybody", iat=NOW + 100)


def test_who_has_not_read_for_too_long_does_not_pass_for_one_who_remembers(
    store: Make, clock: Clock, redis_url: str
) -> None:
    one = store()
    one.add([end(subject="alice")])
    one.read_now()
    clock.pass_time(60)
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    one.read_now()
    assert ended(one, "alice")
    assert one.view.since == NOW + 60


@pytest.mark.parametrize("lost", ["{admit:ends}:head", "{admit:ends}:log"])
def test_half_of_the_data_lost_is_noticed(store: Make, redis_url: str, lost: str) -> None:
    one = store()
    one.add([end(subject="alice")])
    one.read_now()
    with redis.Redis.from_url(redis_url) as client:
        client.delete(lost)
    one.read_now()
    later = store()
    later.read_now()
    assert ended(later)
    assert one.add([end(subject="bob")])
    later.read_now()
    assert ended(later, "bob")


def back_in_time(redis_url: str, meanwhile: Callable[[], None]) -> None:
    """Redis forgets what was written meanwhile, as one does whose replica took over before it had it."""
    keys = ["{admit:ends}:head", "{admit:ends}:log"]
    with redis.Redis.from_url(redis_url) as client:
        before = [(key, client.dump(key)) for key in keys]
        meanwhile()
        for key, dumped in before:
            client.restore(key, 0, dumped, replace=True)


@pytest.mark.threat("O-3", off="admit.verifier.ends.redis:RedisEndStore._join")
@pytest.mark.parametrize("since", [0, 1, 2, 5], ids=lambda number: f"{number} since")
def test_a_redis_that_lost_its_last_writes_gets_them_back_and_none_of_the_next_is_missed(
    store: Make, redis_url: str, since: int
) -> None:
    """Their places are given out again: whoever went on from there would pass over new ends."""
    one, two = store(), store()
    one.add([end(subject="alice")])
    two.read_now()

    def lost() -> None:
        one.add([end(subject="bob"), end(subject="carol")])
        two.read_now()

    back_in_time(redis_url, lost)
    store().add([end(subject=f"u{number}") for number in range(since)])
    two.read_now()
    assert all(ended(two, f"u{number}") for number in range(since))
    later = store()
    later.read_now()
    assert all(ended(later, name) for name in ("alice", "bob", "carol"))
    assert not ended(later, "dave")
    assert later.view.since == two.view.since, "and nobody is refused for it"


def test_the_last_end_that_was_read_may_be_over(store: Make, clock: Clock) -> None:
    one, two = store(), store()
    one.add([end(subject="alice"), end(subject="bob", until=NOW + 10)])
    for found in (one, two):
        found.read_now()
    clock.pass_time(100)
    for _ in range(2):
        for found in (one, two):
            found.read_now()
    assert one.add([end(subject="carol")])
    two.read_now()
    assert ended(two, "carol")
    assert two.view.since <= NOW


@pytest.mark.threat("O-4", off="admit.verifier.ends.store:PolledEndStore.is_fresh")
def test_a_redis_that_is_gone_is_an_error_and_soon_stale(
    redis_factory: Callable[[], RedisServer], clock: Clock
) -> None:
    server = redis_factory()
    found = RedisEndStore(server.url, **clocks(clock))
    found.add([end()])
    found.read_now()
    assert found.is_fresh()
    server.stop()
    with pytest.raises(EndStoreError):
        found.read_now()
    with pytest.raises(EndStoreError):
        found.add([end(subject="bob")])
    assert not ended(found, "bob")
    assert ended(found, "alice")
    clock.pass_time(10.1)
    assert not found.is_fresh()
    server.start()
    found.read_now()
    assert found.is_fresh()
    assert ended(found, "alice")
    later = RedisEndStore(server.url, **clocks(clock))
    later.read_now()
    assert ended(later, "alice")


def test_a_replica_is_not_read_since_it_may_be_cut_off_and_its_connections_are_let_go(
    redis_factory: Callable[[], RedisServer], clock: Clock
) -> None:
    """After a failover the old master is one, or the address leads to one; what it lacks would never be missed."""
    server = redis_factory()
    found = RedisEndStore(server.url, **clocks(clock))
    found.add([end()])
    with server.client() as looking:

        def connections() -> set[str]:
            own = str(looking.client_id())
            return {each["id"] for each in looking.client_list(_type="normal")} - {own}

        before = connections()
        looking.replicaof("127.0.0.1", 1)
        clock.pass_time(10.1)
        with pytest.raises(EndStoreError):
            found.read_now()
        assert not found.is_fresh()
        assert not connections() & before
        looking.replicaof("NO", "ONE")
        found.read_now()
        assert found.is_fresh()
        looking.config_set(
            "min-replicas-to-write", 1
        )  # who asks for this wants no word of a master that is alone
        clock.pass_time(10.1)
        with pytest.raises(EndStoreError):
            found.read_now()
        assert not found.is_fresh()


def test_what_stands_in_redis_and_is_no_end_makes_it_unreadable(store: Make, redis_url: str) -> None:
    found = store()
    found.add([end()])
    with redis.Redis.from_url(redis_url) as client:
        client.zadd("{admit:ends}:log", {"nonsense": 99})
        client.hincrby("{admit:ends}:head", "count", 1)
        client.hset("{admit:ends}:head", "seq", "99")
    with pytest.raises(EndStoreError):
        found.read_now()


def test_a_child_reads_by_a_connection_of_its_own(store: Make) -> None:
    found = store()
    found.add([end()])
    found.read_now()
    read, write = os.pipe()
    child = fork()
    if child == 0:
        said = b"no"
        try:
            waiting = found.pending()
            assert waiting is not None
            waiting.result(5)
            if found.is_fresh() and ended(found) and found.add([end(subject="bob")]):
                said = b"ok"
        finally:
            os.write(write, said)
            os._exit(0)
    os.close(write)
    try:
        assert os.read(read, 2) == b"ok"
    finally:
        os.waitpid(child, 0)
        os.close(read)
    found.read_now()
    assert ended(found, "bob")


def test_a_client_of_ones_own_is_made_once(redis_url: str) -> None:
    made: list[Any] = []

    def connect() -> Any:
        made.append(redis.Redis.from_url(redis_url))
        return made[-1]

    found = RedisEndStore(connect)
    assert not made
    found.add([end(until=NOW * 2)])
    found.read_now()
    assert len(made) == 1
    found.close()


@pytest.mark.parametrize("changes", [{"name": ""}, {"name": "a{b}"}, {"poll": timedelta(hours=1)}])
def test_what_cannot_work_is_refused(store: Make, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        store(**changes)


def test_a_url_of_something_else_is_refused_and_not_quoted() -> None:
    with pytest.raises(ConfigError) as caught:
        RedisEndStore("http://user:hunter2@127.0.0.1/")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(RedisEndStore("redis://user:hunter2@127.0.0.1/"))
