"""Copies of sessions in Redis: never somebody else's, never one that was ended, and nothing is lost with them."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import RedisCluster

from admit.errors import ConfigError, SessionError, StorageUnavailableError
from admit.issuer.sessions import copies as copies_module
from admit.issuer.sessions import store
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.copies import LIFE, copies_of
from admit.issuer.sessions.finding import SURE
from admit.issuer.sessions.rules import hash_id
from admit.issuer.storage import Keyring
from tests.fixtures.people import INFO, NOW, Parts
from tests.fixtures.redis import RedisServer
from tests.fixtures.redis_cluster import Cluster, TlsRedis, refuses_plain
from tests.fixtures.session_copies import BOUND, node

pytestmark = pytest.mark.usefixtures("patient")
ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def only_key(server: RedisServer) -> Any:
    with server.client() as client:
        (key,) = client.keys("*")
        return key


async def test_a_look_up_asks_the_database_once_and_any_node_has_the_copy_then(
    parts: Parts, redis_url: str, keyring: Keyring
) -> None:
    async with node(parts, redis_url, keyring) as one, node(parts, redis_url, keyring) as two:
        new = await parts.sign_in()
        assert await one.find(new) == new.session
        assert one.reads == 1
        assert await one.find(new) == await two.find(new) == new.session
        assert (one.reads, two.reads) == (1, 0)


@ONE
async def test_a_copy_says_nothing_after_its_life_whatever_redis_holds(
    parts: Parts, redis_url: str, keyring: Keyring
) -> None:
    async with node(parts, redis_url, keyring) as one:
        new = await parts.sign_in()
        await one.find(new)
        assert await one.find(new, NOW + LIFE - 0.1) is not None
        assert one.reads == 1
        assert await one.find(new, NOW + LIFE) is not None
        assert one.reads == 2


@ONE
@pytest.mark.threat("O-3", off="admit.issuer.sessions.finding:is_sure")
async def test_a_session_that_was_ended_does_not_come_back_with_a_redis_that_was_restored(
    parts: Parts, server: RedisServer, keyring: Keyring
) -> None:
    async with node(parts, server.url, keyring) as one, node(parts, server.url, keyring) as other:
        new = await parts.sign_in()
        assert await one.find(new) is not None
        key = only_key(server)
        with server.client() as client:
            before = client.get(key)
        assert await other.sessions.end(
            new.session.id, user_id=new.session.user.id, reason="logout", info=INFO, now=NOW
        )
        with server.client() as client:
            client.set(key, before)
        one.ended.add(new.session.idx)  # its process reads of ends five times a second
        assert await one.find(new) is None
        one.ended.clear()
        one.age = SURE + 0.1  # and one that could not for a while does not believe Redis
        assert await one.find(new) is None


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.driver:Sessions._bury")
async def test_the_id_before_a_renewal_is_worth_nothing_on_any_node(
    parts: Parts, redis_url: str, keyring: Keyring
) -> None:
    async with node(parts, redis_url, keyring) as one, node(parts, redis_url, keyring) as other:
        planted = await parts.sign_in()
        assert await one.find(planted) is not None
        new = await other.sessions.renew(
            planted.raw, user=planted.session.user, acr="urn:admit:acr:1fa", amr=("pwd",), info=INFO, now=NOW
        )  # fmt: skip
        assert await one.find(planted) is None
        assert await one.find(new) is not None


@ONE
async def test_a_use_that_is_noted_meanwhile_does_not_dig_up_the_id_before_a_renewal(
    parts: Parts, redis_url: str, keyring: Keyring
) -> None:
    async with node(parts, redis_url, keyring) as one:
        old = hash_id((await parts.sign_in()).raw)
        rows = await parts.db.read(store.FIND(id_hash=old))  # by a look-up that is about to keep a copy
        assert await one.copies.bury(old)
        one.copies.drop(old)
        await one.copies.settle()
        one.copies.put(old, tuple(cast(Any, rows[0])), NOW)
        await one.copies.settle()
        assert await one.copies.get(old, NOW) is None


@ONE
async def test_a_session_is_not_renewed_where_its_copy_cannot_be_buried(
    parts: Parts, server: RedisServer, keyring: Keyring
) -> None:
    """Then who signs in begins a new session, and the old one is ended, which every node learns."""
    async with node(parts, server.url, keyring) as one:
        new = await parts.sign_in()
        assert await one.find(new) is not None
        server.stop()
        with pytest.raises(SessionError):
            await one.sessions.renew(
                new.raw, user=new.session.user, acr="urn:admit:acr:1fa", amr=("pwd",), info=INFO, now=NOW
            )  # fmt: skip
        assert await one.find(new) is not None


@ONE
@pytest.mark.threat("O-6", off="admit.issuer.sessions.copies:place_of")
async def test_a_reply_that_is_meant_for_another_lets_nobody_in_as_somebody_else(
    parts: Parts, server: RedisServer, keyring: Keyring
) -> None:
    async with node(parts, server.url, keyring) as one:
        ada, bo = await parts.sign_in(), await parts.sign_in()
        assert await one.find(ada) is not None
        with server.client() as client:
            (of_ada,) = client.keys("*")
            assert await one.find(bo) is not None
            (of_bo,) = set(client.keys("*")) - {of_ada}
            client.set(of_bo, client.get(of_ada))
        found = await one.find(bo)
        assert found is not None
        assert found.user == bo.session.user


@ONE
async def test_a_copy_of_another_deployment_or_that_somebody_wrote_is_none(
    parts: Parts, server: RedisServer, keyring: Keyring
) -> None:
    async with (
        node(parts, server.url, keyring) as one,
        node(parts, server.url, Keyring.generate()) as stranger,
    ):
        new = await parts.sign_in()
        assert await stranger.find(new) is not None
        assert await one.find(new) == new.session
        assert one.reads == 1, "the stranger's copy was not taken"
        for written in (b"x", b"\x01", b"\x90", bytes(200), b"{}"):
            with server.client() as client:
                client.set(only_key(server), written)
            assert await one.find(new) == new.session


@ONE
@pytest.mark.threat("O-2", off="admit.issuer.sessions.copies:sealed_copy")
async def test_redis_holds_no_id_and_nothing_about_people_in_clear(
    parts: Parts, server: RedisServer, keyring: Keyring
) -> None:
    async with node(parts, server.url, keyring) as one:
        new = await parts.sign_in()
        await one.find(new)
        with server.client() as client:
            dump = b"".join(key + (client.get(key) or b"") for key in client.keys("*"))
    for secret in (new.raw, new.raw.hex().encode(), new.session.user.email.encode(), b"Alice"):
        assert secret not in dump


@ONE
async def test_an_emptied_redis_loses_nobody(parts: Parts, server: RedisServer, keyring: Keyring) -> None:
    async with node(parts, server.url, keyring) as one:
        new = await parts.sign_in()
        assert await one.find(new) is not None
        with server.client() as client:
            client.flushall()
        assert await one.find(new) == new.session
        assert one.reads == 2
        assert await one.find(new) == new.session
        assert one.reads == 2


@ONE
async def test_a_redis_that_hangs_is_left_alone_for_a_while(
    parts: Parts, server: RedisServer, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies_module, "_TIMEOUT", 0.05)
    async with node(parts, server.url, keyring) as one:
        new = await parts.sign_in()
        assert await one.find(new) is not None
        server.pause()
        try:
            asked = 0
            original = one.copies._ask

            async def counted(ask: Any, *, must: bool = False) -> Any:
                nonlocal asked
                waits = one.copies._clock() >= one.copies._not_before or must
                asked += waits
                return await original(ask, must=must)

            monkeypatch.setattr(one.copies, "_ask", counted)
            for _ in range(20):
                assert await one.find(new) is not None
            assert asked <= 2
        finally:
            server.go_on()
        monkeypatch.setattr(one.copies, "_not_before", float("-inf"))
        reads = one.reads
        assert await one.find(new) is not None
        assert await one.find(new) is not None
        assert one.reads <= reads + 1


@ONE
async def test_a_crowd_of_look_ups_shares_some_connections(
    parts: Parts, server: RedisServer, keyring: Keyring
) -> None:
    """One for each would leave no descriptors for anything else."""
    async with node(parts, server.url, keyring) as one:
        new = await parts.sign_in()
        await one.find(new)
        found = await asyncio.gather(*(one.copies.get(hash_id(new.raw), NOW) for _ in range(300)))
        assert None not in found
        with server.client() as looking:
            assert len(looking.client_list()) <= copies_module.AT_ONCE + 1


@ONE
async def test_a_redis_that_became_a_replica_is_left_for_the_one_that_has_its_address_now(
    parts: Parts, server: RedisServer, keyring: Keyring
) -> None:
    """A master that is made a replica keeps its connections, and refuses for ever what is written on them."""
    async with node(parts, server.url, keyring) as one:
        id_hash = hash_id(b"0" * 32)
        with server.client() as looking:

            def connections() -> set[str]:
                own = str(looking.client_id())
                return {each["id"] for each in looking.client_list(_type="normal")} - {own}

            assert await one.copies.bury(id_hash)
            before = connections()
            looking.replicaof("127.0.0.1", 1)
            assert not await one.copies.bury(id_hash)
            await one.copies.settle()
            assert not connections() & before
            looking.replicaof("NO", "ONE")
            assert await one.copies.bury(id_hash)


@ONE
@pytest.mark.threat("O-4", off="admit.issuer.sessions.finding:is_sure")
async def test_with_the_database_away_a_copy_is_believed_within_the_bound_and_no_longer(
    parts: Parts, redis_url: str, keyring: Keyring
) -> None:
    async with node(parts, redis_url, keyring) as one:
        new = await parts.sign_in()
        assert await one.find(new) is not None
        one.away = True
        one.age = BOUND - 1
        assert await one.find(new) == new.session
        one.age = BOUND + 1
        with pytest.raises(StorageUnavailableError):
            await one.find(new)
        one.age = 0.1
        one.ended.add(new.session.idx)
        with pytest.raises(StorageUnavailableError):
            await one.find(new)


@ONE
async def test_use_is_noted_once_and_the_copy_learns_of_it(
    parts: Parts, redis_url: str, keyring: Keyring
) -> None:
    async with node(parts, redis_url, keyring) as one:
        new = await parts.sign_in()
        await one.find(new, NOW + 50)
        await one.find(new, NOW + 65)
        await one.sessions.settle()
        await one.copies.settle()
        found = await one.find(new, NOW + 66)
        assert found is not None
        assert found.last_seen_at == NOW + 65
        reads = one.reads
        await one.find(new, NOW + 67)
        assert one.reads == reads


@ONE
async def test_a_cluster_of_three_masters_holds_them_each_where_it_may(
    parts: Parts, redis_cluster: Cluster, keyring: Keyring
) -> None:
    async with node(parts, redis_cluster.url, keyring) as one:
        user = await parts.user()
        many = [await parts.sign_in(user) for _ in range(24)]
        for new in many:
            assert await one.find(new) is not None
        assert one.reads == len(many)
        for new in many:
            assert await one.find(new) == new.session
        assert one.reads == len(many)
        assert all(redis_cluster.keys())
        one.copies.drop(hash_id(many[1].raw))
        await one.copies.settle()
        assert await one.copies.get(hash_id(many[1].raw), NOW) is None
        assert await one.sessions.end(
            many[0].session.id, user_id=user.id, reason="logout", info=INFO, now=NOW
        )
        assert await one.find(many[0]) is None


@ONE
async def test_a_cluster_that_is_slow_to_begin_with_is_ready_for_who_comes_later(
    parts: Parts, redis_cluster: Cluster, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client asks several servers first, which takes longer than a look-up may wait, each time it is tried."""
    made, reached, begun = RedisCluster.initialize, asyncio.Event(), 0

    async def slow(self: RedisCluster, *args: Any, **kwargs: Any) -> RedisCluster:
        nonlocal begun
        begun += 1
        await reached.wait()
        return await made(self, *args, **kwargs)

    monkeypatch.setattr(RedisCluster, "initialize", slow)
    monkeypatch.setattr(copies_module, "_PAUSES", (0.0,))
    async with node(parts, redis_cluster.url, keyring) as one:
        monkeypatch.setattr(copies_module, "_TIMEOUT", 0.01)  # of a look-up alone
        new = await parts.sign_in()
        for _ in range(2):
            assert await one.find(new) == new.session, "by the database"
        assert (one.reads, begun) == (2, 1)
        monkeypatch.setattr(copies_module, "_TIMEOUT", 10.0)
        reached.set()
        for _ in range(2):
            assert await one.find(new) == new.session
        assert one.reads == 3, "and then by the copy"
        assert begun == 1


@ONE
async def test_a_cluster_that_is_never_reached_is_left_at_the_end(
    parts: Parts, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = asyncio.Event()

    async def never(self: RedisCluster, *args: Any, **kwargs: Any) -> RedisCluster:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return self

    monkeypatch.setattr(RedisCluster, "initialize", never)
    monkeypatch.setattr(copies_module, "_TIMEOUT", 0.01)
    async with node(parts, "redis+cluster://127.0.0.1:1", keyring) as one:
        new = await parts.sign_in()
        assert await one.find(new) == new.session
        assert not left.is_set()
    assert left.is_set()


@ONE
async def test_tls_and_the_password_are_checked(parts: Parts, redis_tls: TlsRedis, keyring: Keyring) -> None:
    assert refuses_plain(redis_tls)
    new = await parts.sign_in()

    async def reads_of_two(url: str, ca_file: Path) -> int:
        async with node(parts, url, keyring, redis_ca_file=str(ca_file)) as one:
            assert await one.find(new) == new.session
            assert await one.find(new) == new.session
            return one.reads

    assert await reads_of_two(redis_tls.url, redis_tls.ca_file) == 1
    assert await reads_of_two(redis_tls.url, redis_tls.other_ca_file) == 2, "another CA's word was taken"
    assert await reads_of_two(redis_tls.url_with("wrong"), redis_tls.ca_file) == 2
    assert await reads_of_two(redis_tls.url.replace("rediss", "redis"), redis_tls.ca_file) == 2


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "nothing", "127.0.0.1:6379", "redis+sentinel://127.0.0.1:1"]
)
def test_what_is_no_address_of_a_redis_is_refused_at_the_start(url: str, keyring: Keyring) -> None:
    with pytest.raises(ConfigError) as caught:
        copies_of(SessionConfig(redis=url), keyring)
    assert url not in str(caught.value)


def test_the_address_which_may_hold_a_password_is_not_shown() -> None:
    assert "sesame" not in repr(SessionConfig(redis="redis://:sesame@127.0.0.1:6379"))


async def test_nobody_waits_for_a_copy_to_be_written(parts: Parts, redis_url: str, keyring: Keyring) -> None:
    async with node(parts, redis_url, keyring) as one:
        new = await parts.sign_in()
        gate = asyncio.Event()
        original = one.copies._write

        async def slow(ask: Any) -> None:
            await gate.wait()
            await original(ask)

        one.copies._write = slow  # type: ignore[method-assign]  # one that waits until it is told
        assert await one.sessions.find(hash_id(new.raw), NOW) == new.session
        gate.set()
        await one.copies.settle()
