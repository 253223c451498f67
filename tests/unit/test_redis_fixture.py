"""The Redis fixture gives each test an empty one, and servers of its own to stop."""

from collections.abc import Callable

import redis

from tests.fixtures.redis import RedisServer


def test_the_shared_server_is_empty_at_the_start_of_a_test(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_and_so_it_is_for_the_next(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_a_server_that_was_stopped_comes_back_empty_at_the_same_place(
    redis_factory: Callable[[], RedisServer],
) -> None:
    server = redis_factory()
    url = server.url
    with server.client() as client:
        client.set("a", "b")
    server.stop()
    server.start()
    assert server.url == url
    with server.client() as client:
        assert client.get("a") is None
