"""Connections to Redis that go from hand to hand: an answer is never another's, and what broke is given back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError

from admit.issuer.sessions.redis_client import RedisClient
from tests.fixtures.redis import RedisServer


@contextlib.asynccontextmanager
async def client_of(server: RedisServer, **options: Any) -> AsyncIterator[RedisClient]:
    options = {"socket_timeout": None, "retry": Retry(NoBackoff(), 0), "protocol": 2} | options
    client = RedisClient(Redis.from_url(server.url, **options))
    try:
        yield client
    finally:
        await client.aclose()


def connections(server: RedisServer) -> set[str]:
    """Ids of all connections but the one that asks."""
    with server.client() as looking:
        return {one["id"] for one in looking.client_list()} - {str(looking.client_id())}


async def test_one_after_another_takes_the_same_connection_and_each_has_its_own_answer(
    server: RedisServer,
) -> None:
    async with client_of(server) as client:
        assert await client.set("a", b"of a", px=60_000)
        assert await client.set("b", b"of b", px=60_000)
        assert await client.set("a", b"another", px=60_000, nx=True) is None
        before = connections(server)
        assert [await client.get(key) for key in "abcab"] == [b"of a", b"of b", None, b"of a", b"of b"]
        assert connections(server) == before
        assert len(before) == 1
        together = await asyncio.gather(*(client.get("ab"[number % 2]) for number in range(20)))
        assert together == [b"of a", b"of b"] * 10
    assert connections(server) == set()


async def test_what_the_server_closed_while_it_was_idle_is_found_out_by_nobody(server: RedisServer) -> None:
    async with client_of(server) as client:
        await client.set("a", b"of a", px=60_000)
        await asyncio.gather(*(client.get("a") for _ in range(5)))
        with server.client() as looking:
            assert looking.client_kill_filter(_type="normal", skipme=True) > 1
        assert await client.get("a") == b"of a"
        assert len(connections(server)) == 1


async def test_a_server_that_is_gone_is_told(server: RedisServer) -> None:
    async with client_of(server) as client:
        await client.get("a")
        server.close()
        with pytest.raises((RedisError, OSError)):
            await client.get("a")


async def test_who_did_not_wait_leaves_no_answer_for_the_next_and_no_place_taken(server: RedisServer) -> None:
    async with client_of(server, max_connections=2) as client:
        await client.set("a", b"of a", px=60_000)
        await client.set("b", b"of b", px=60_000)
        for _ in range(4):
            server.pause()
            try:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await client.get("a")
            finally:
                server.go_on()
            assert await client.get("b") == b"of b"


class _Broken:
    """A connection on which the answer never comes, and that stays open by itself; and its pool."""

    def __init__(self) -> None:
        self.connection_pool = self
        self.told: list[str] = []

    async def get_connection(self) -> "_Broken":
        self.told.append("taken")
        return self

    async def send_command(self, *words: Any, check_health: bool) -> None:
        self.told.append("sent")

    async def read_response(self) -> None:
        raise asyncio.CancelledError

    async def disconnect(self, *, nowait: bool) -> None:
        self.told.append("cut")

    async def release(self, connection: "_Broken") -> None:
        self.told.append("given back")


async def test_a_connection_whose_answer_was_not_read_is_cut_before_anybody_has_it() -> None:
    broken = _Broken()
    client = RedisClient(broken)
    for _ in range(2):
        with pytest.raises(asyncio.CancelledError):
            await client.get("a")
    assert broken.told == ["taken", "sent", "cut", "given back"] * 2


async def test_a_command_that_is_refused_is_told_and_the_next_is_answered(server: RedisServer) -> None:
    async with client_of(server, max_connections=1) as client:
        for _ in range(3):
            with pytest.raises(RedisError):
                await client.eval("this is no script", 0)
            assert await client.set("a", b"of a", px=60_000)


async def test_who_is_still_asking_when_it_is_closed_opens_nothing_new(server: RedisServer) -> None:
    async with client_of(server) as client:
        await client.get("a")
        server.pause()
        try:
            asking = asyncio.create_task(client.get("a"))
            for _ in range(3):
                await asyncio.sleep(0)  # until it waits for its answer
            await client.aclose()
            with pytest.raises(ConnectionError):
                async with asyncio.timeout(10):
                    await asking
        finally:
            server.go_on()
        assert connections(server) == set()
