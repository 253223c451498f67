"""What is Redis's own in `RedisSessionStore`: its clock, its losses, a cluster, TLS, and what a reader of it finds."""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pytest
from redis import Connection, ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from admit.errors import ConfigError, UnavailableError
from admit.relying_party import RedisSessionStore
from admit.relying_party.store import redis as redis_store
from admit.relying_party.store import redis_connections
from tests.fixtures.redis import RedisServer
from tests.fixtures.redis_cluster import PASSWORD, Cluster, TlsRedis
from tests.plugins.patience import wait_until
from tests.unit.relying_party.test_stores import NOW, OVER, SESSION


@pytest.fixture
def store(redis_url: str) -> Iterator[RedisSessionStore]:
    made = RedisSessionStore(redis_url)
    yield made
    made.close()


def test_the_lease_of_a_worker_that_died_is_over_by_redis_clock(store: RedisSessionStore) -> None:
    assert store.add(SESSION, NOW, NOW)
    assert store.lease(SESSION.id_hash, 0, NOW, NOW + 0.05)
    wait_until(lambda: store.lease(SESSION.id_hash, 0, NOW, NOW + 20), "the lease to be over", pause=0.01)
    assert not store.lease(SESSION.id_hash, 0, NOW + 1_000, NOW + 1_020)


class LostReply(Connection):
    """A connection that breaks when a step was done, and before it is known: once, where it is told to."""

    next: ClassVar[list[type[Exception]]] = []

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        found = super().read_response(*args, **kwargs)
        if self.next and not isinstance(found, Exception):
            self.disconnect()  # type: ignore[no-untyped-call]  # redis-py's own
            raise self.next.pop()("lost")
        return found


@pytest.fixture
def losing(redis_url: str) -> Iterator[RedisSessionStore]:
    """A store whose client sends a step again, as redis-py's do, though a caller made it."""

    def connect() -> Redis:
        pool = ConnectionPool.from_url(redis_url, connection_class=LostReply, retry=Retry(NoBackoff(), 1))
        return Redis(connection_pool=pool)

    made = RedisSessionStore(connect)
    yield made
    made.close()
    assert LostReply.next == []


def test_a_step_whose_answer_was_lost_says_when_it_is_sent_again_what_it_did(
    store: RedisSessionStore, losing: RedisSessionStore
) -> None:
    assert store.add(SESSION, NOW, NOW)
    # So that the scripts are known, and the reply that is lost is that of the step.
    assert not losing.lease(b"z" * 32, 0, NOW, NOW + 20)
    assert not losing.replace(b"z" * 32, 0, b"")
    assert losing.spend_once(b"z", NOW, NOW + 10)
    losing.release(b"z" * 32, 0)

    def lost() -> None:
        LostReply.next.append(RedisConnectionError)

    lost()
    assert losing.lease(SESSION.id_hash, 0, NOW, NOW + 20, b"first")
    assert not store.lease(SESSION.id_hash, 0, NOW, NOW + 20, b"first"), "another call"
    lost()
    losing.release(SESSION.id_hash, 0, b"first")
    assert store.lease(SESSION.id_hash, 0, NOW, NOW + 20, b"second")
    lost()
    losing.release(SESSION.id_hash, 0, b"first")
    assert not store.lease(SESSION.id_hash, 0, NOW, NOW + 20, b"third"), "the second's is its own"
    lost()
    assert losing.replace(SESSION.id_hash, 0, b"second")
    assert not store.replace(SESSION.id_hash, 0, b"another")
    found = store.get(SESSION.id_hash, NOW)
    assert found is not None
    assert (found.sealed, found.version) == (b"second", 1)
    lost()
    assert losing.spend_once(b"n", NOW, NOW + 10)
    assert not losing.spend_once(b"n", NOW, NOW + 10)
    assert not store.spend_once(b"n", NOW + 9, NOW + 10)
    assert store.spend_once(b"n", NOW + 10, NOW + 20)


def test_a_redis_that_is_silent_is_asked_once(store: RedisSessionStore) -> None:
    store.secret()
    retry = store._client.get_retry()
    asked: list[type[Exception]] = []

    def ask(error: type[Exception]) -> None:
        asked.append(error)
        raise error("made up")

    for error, times in ((RedisTimeoutError, 1), (RedisConnectionError, 2)):
        with pytest.raises(error):
            retry.call_with_retry(partial(ask, error), lambda _: None)
        assert asked.count(error) == times


def test_use_keeps_a_session_in_redis_for_as_much_longer(store: RedisSessionStore, redis_url: str) -> None:
    assert store.add(SESSION, NOW, NOW)
    with Redis.from_url(redis_url) as client:
        (key,) = client.keys("*session*")
        before = client.pttl(key)
        store.touch(SESSION.id_hash, SESSION.idle_at + 500)
        store.touch(SESSION.id_hash, SESSION.idle_at + 400)
        assert math.isclose(client.pttl(key) - before, 500_000, abs_tol=30_000)
        store.touch(b"z" * 32, NOW + 1e6)
        assert client.keys("*session*") == [key], "a touch makes none"


def test_what_redis_lost_is_gone_for_all_and_a_new_session_begins(
    store: RedisSessionStore, redis_url: str
) -> None:
    secret = store.secret()
    assert store.add(SESSION, NOW, NOW)
    assert store.end_of(replace(OVER, name=b"2" * 32, at_provider=b"q" * 32, person=None), NOW) == 0
    with Redis.from_url(redis_url) as client:
        client.flushall()
        client.script_flush()
    assert store.get(SESSION.id_hash, NOW) is None
    assert not store.replace(SESSION.id_hash, 0, b"a refresh that was under way")
    assert not store.lease(SESSION.id_hash, 0, NOW, NOW + 20)
    assert not store.end(SESSION.id_hash)
    assert store.secret() != secret
    assert store.add(SESSION, NOW, NOW)


def test_what_a_stranger_writes_to_redis_is_no_session(store: RedisSessionStore, redis_url: str) -> None:
    assert store.add(SESSION, NOW, NOW)
    with Redis.from_url(redis_url) as client:
        (key,) = client.keys("*session*")
        client.hset(key, "e", "never")
        assert store.get(SESSION.id_hash, NOW) is None
        for times in ({"i": "inf"}, {"e": "inf"}, {"i": "nan"}, {"e": "nan"}, {"i": "inf", "e": "inf"}):
            client.hset(key, mapping={"i": SESSION.idle_at, "e": SESSION.expires_at} | times)
            assert store.get(SESSION.id_hash, NOW) is None
        client.hset(key, mapping={"i": SESSION.idle_at, "e": SESSION.expires_at})
        assert store.get(SESSION.id_hash, NOW) == SESSION
        client.hdel(key, "e")
        assert store.get(SESSION.id_hash, NOW) is None


@pytest.mark.soak
def test_a_redis_that_is_away_or_hangs_is_503_and_its_address_is_not_told(
    redis_factory: Callable[[], RedisServer],
) -> None:
    server = redis_factory()
    store = RedisSessionStore(f"redis://:not-to-be-told@127.0.0.1:{server.port}/0")
    assert "not-to-be-told" not in repr(store)
    with pytest.raises(UnavailableError) as refused:
        store.get(SESSION.id_hash, NOW)  # a password that it does not want
    assert "not-to-be-told" not in f"{refused.value!r} {refused.value}"
    store = RedisSessionStore(server.url)
    assert store.add(SESSION, NOW, NOW)
    server.pause()
    with pytest.raises(UnavailableError):
        store.get(SESSION.id_hash, NOW)
    server.go_on()
    assert store.get(SESSION.id_hash, NOW) is not None
    server.stop()
    with pytest.raises(UnavailableError):
        store.end(SESSION.id_hash)
    server.start()
    assert store.get(SESSION.id_hash, NOW) is None
    store.close()


class Passing:
    """A clock on which each look takes so many seconds."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


@pytest.mark.parametrize(("step", "answered"), [(0.01, True), (0.3, False)])
def test_connecting_greeting_and_replying_have_one_limit_together(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, step: float, answered: bool
) -> None:
    assert RedisSessionStore(redis_url).add(SESSION, NOW, NOW)
    store = RedisSessionStore(redis_url)
    monkeypatch.setattr(redis_connections, "time", Passing(step))
    if answered:
        assert store.get(SESSION.id_hash, NOW) == SESSION
    else:
        with pytest.raises(UnavailableError) as late:
            store.get(SESSION.id_hash, NOW)
        assert isinstance(late.value.__cause__, RedisTimeoutError)
        monkeypatch.undo()
        assert store.get(SESSION.id_hash, NOW) == SESSION, "the next question has all of its time"
    store.close()


def test_what_is_left_of_the_time_is_the_limit_of_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "_TIMEOUT", 40.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = RedisSessionStore(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        clock = Passing(0.0)
        monkeypatch.setattr(redis_connections, "time", clock)
        # Nearly all of the forty seconds is over when it connects.
        monkeypatch.setattr(clock, "monotonic", iter([0.0, *[39.97] * 5]).__next__)
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            store.get(SESSION.id_hash, NOW)
        assert time.monotonic() - began < 20, "a step had all of it"
        store.close()


class Holding:
    """A server that does not answer the second question before it has the third; each is whether a word was new."""

    def __init__(self, new: Sequence[bool]) -> None:
        self._new = list(new)
        self._asked = 0
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._server.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        held = b""
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65_536):
                if b"SETINFO" in data:
                    connection.sendall(b"+OK\r\n" * data.count(b"SETINFO"))
                    continue
                with self._lock:
                    self._asked += 1
                    held += b":1\r\n" if self._new[self._asked - 1] else b":0\r\n"
                    is_held = self._asked == 2
                if not is_held:
                    connection.sendall(held)
                    held = b""


def test_an_answer_that_comes_too_late_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Holding([True, True, False])
    store = RedisSessionStore(server.url)
    try:
        assert store.spend_once(b"the first", NOW, NOW + 60)
        # It is held up for longer than the question may take, between sending it and reading.
        with monkeypatch.context() as held_up:
            held_up.setattr(redis_connections, "time", clock := Passing(0.0))
            held_up.setattr(clock, "monotonic", iter([0.0, 0.1, 9.0]).__next__)
            with pytest.raises(UnavailableError):
                store.spend_once(b"new", NOW, NOW + 60)
        assert not store.spend_once(b"spent before", NOW, NOW + 60), (
            "it had the answer to the question before"
        )
    finally:
        store.close()
        server.close()


@pytest.mark.soak
def test_a_cluster_spreads_sessions_and_ends_those_of_a_person_together(redis_cluster: Cluster) -> None:
    before = redis_cluster.keys()
    store = RedisSessionStore(redis_cluster.url)
    sessions = [replace(SESSION, id_hash=bytes([n]) * 32) for n in range(64)]
    assert all(store.add(one, NOW, NOW) for one in sessions)
    assert all(after > some for after, some in zip(redis_cluster.keys(), before, strict=True))
    assert store.lease(sessions[0].id_hash, 0, NOW, NOW + 20)
    assert store.replace(sessions[0].id_hash, 0, b"second")
    assert store.end_of(OVER, NOW) == 64
    assert store.end_of(OVER, NOW) == 0
    assert not store.add(sessions[0], NOW, NOW)
    assert store.secret() == RedisSessionStore(redis_cluster.url).secret()
    store.close()


@pytest.mark.soak
def test_tls_and_a_password_are_held_to(redis_tls: TlsRedis) -> None:
    store = RedisSessionStore(redis_tls.url, ca_file=redis_tls.ca_file)
    assert store.add(SESSION, NOW, NOW)
    store.close()
    for url, authority in (
        (redis_tls.url, redis_tls.other_ca_file),
        (redis_tls.url, None),
        (redis_tls.url_with("another"), redis_tls.ca_file),
    ):
        stranger = RedisSessionStore(url, ca_file=authority)
        with pytest.raises(UnavailableError) as refused:
            stranger.get(SESSION.id_hash, NOW)
        assert PASSWORD not in f"{refused.value!r}"
        stranger.close()


@pytest.mark.parametrize("url", ["", "http://a", "redis+tls://a", "redis.example.com:6379"])
def test_what_is_no_address_of_a_redis_is_told_at_once(url: str) -> None:
    with pytest.raises(ConfigError):
        RedisSessionStore(url)
    with pytest.raises(ConfigError):
        RedisSessionStore("redis://127.0.0.1", name="{a}")
