"""Copies of sessions in Redis, so that a look-up asks no database. Nothing lives there alone.

The database holds every session and every end. A copy is what was read from it a moment ago, sealed with the key file
and bound to the session's id: no reply meant for another, no other deployment's, none that somebody wrote or moved
opens. It is believed for `LIFE` at most, and only beside what this process itself knows of ends (contracts §3): so a
Redis that was restored, emptied or failed over can bring nobody back, and loses nobody.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from functools import lru_cache, partial
from typing import Any, Final

import msgspec

from admit.errors import ConfigError
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.redis_client import RedisClient
from admit.issuer.sessions.store import REMEMBERED
from admit.issuer.storage import Keyring
from admit.issuer.storage.keyring import SealError

log = logging.getLogger("admit.issuer.sessions")

LIFE: Final = 30.0
"""Seconds after which a copy says nothing any more, whatever Redis holds; changes of names and e-mails show by then."""
_BURIED_FOR: Final = 2 * LIFE
_TIMEOUT: Final = 0.25
"""Seconds for an answer of Redis. Then the database is asked, which knows everything."""
_READY_WITHIN: Final = 5.0
"""Seconds for a client to be made ready: that of a cluster asks one server after another who has what. Nobody waits for
that longer than for an answer, but it goes on, and who comes later finds it done."""
AT_ONCE: Final = 64
"""Questions to Redis at the same time; each has a connection of its own."""
_PAUSES: Final = (0.5, 1.0, 2.0, 5.0)
"""Seconds for which a Redis that failed is not asked: one that hangs must not slow each look-up down."""
_PURPOSE: Final = (
    "session-copy/2"  # another number where the values change: an older version's copies are none
)
_BURIED: Final = b"-"
_DROP: Final = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then redis.call('DEL', KEYS[1]) end"
"""What was buried stays so: whoever read the database before would keep a copy of what is over."""
_PREFIX: Final = "admit:session:"
_CLUSTER: Final = {"redis+cluster://": "redis://", "rediss+cluster://": "rediss://"}
_WANTED: Final = (
    "sessions.redis: want redis://, rediss:// or unix://, with +cluster before :// for a Redis Cluster"
)

Values = tuple[Any, ...]
"""A row of `store.FIND`."""


class Copies:
    """Copies of live sessions by the SHA-256 of their ids. No method raises: without Redis there are no copies."""

    def __init__(
        self, connect: Callable[[], Any], keyring: Keyring, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect = connect
        self._keyring = keyring
        self._clock = clock
        self._client: Any = None
        self._opening: asyncio.Task[Any] | None = None
        self._places = asyncio.Semaphore(AT_ONCE)
        self._failures = 0
        self._not_before = float("-inf")
        self._writing: set[asyncio.Task[None]] = set()
        # The hot path. The very same octets at the very same place open to the very same values: once is enough.
        self._opened = lru_cache(maxsize=REMEMBERED)(partial(opened_copy, keyring))

    async def get(self, id_hash: bytes, now: float) -> Values | None:
        """The copy of a session, or None. Whether the session was ended since is for the caller to know."""
        answer = await self._ask(lambda client: client.get(_key(id_hash)))
        if not answer or answer == _BURIED:
            return None
        try:
            until, values = self._opened(id_hash, answer)
        except (SealError, msgspec.DecodeError, ValueError):
            log.warning("a session's copy in Redis is none of ours, or another's")
            return None
        return values if now < until <= now + 2 * LIFE else None

    def put(self, id_hash: bytes, values: Values, now: float) -> None:
        """Keep a copy of what the database said, unless there is one, or one was buried. Nobody waits for it."""
        sealed = sealed_copy(self._keyring, id_hash, [now + LIFE, *values])

        def write(client: Any) -> Coroutine[Any, Any, Any]:
            answer: Coroutine[Any, Any, Any] = client.set(_key(id_hash), sealed, px=int(LIFE * 1000), nx=True)
            return answer

        self._later(self._write(write))

    def drop(self, id_hash: bytes) -> None:
        """The next look-up asks the database, and may keep a copy unless one was buried. Nobody waits for it."""
        self._later(self._write(lambda client: client.eval(_DROP, 1, _key(id_hash), _BURIED)))

    async def bury(self, id_hash: bytes) -> bool:
        """See that no copy is read, and none is kept by who asked the database a moment before: for an id that is about
        to be worth nothing. False: Redis did not say that it was done.
        """
        answer = await self._ask(
            lambda client: client.set(_key(id_hash), _BURIED, px=int(_BURIED_FOR * 1000)), must=True
        )
        return bool(answer)

    async def settle(self) -> None:
        """Wait for what is being written."""
        while self._writing:
            await asyncio.gather(*self._writing, return_exceptions=True)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.settle()
        await self._leave()

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, ask: Callable[[Any], Coroutine[Any, Any, Any]]) -> None:
        await self._ask(ask)

    async def _ask(self, ask: Callable[[Any], Coroutine[Any, Any, Any]], *, must: bool = False) -> Any:
        """An answer of Redis; None where there is none in time. `must`: asked though it failed a moment ago."""
        if self._clock() < self._not_before and not must:
            return None
        try:
            async with asyncio.timeout(_TIMEOUT), self._places:
                answer = await ask(self._client if self._client is not None else await self._ready())
        except Exception as error:
            # Whatever a driver raises, of which there are many kinds: the database knows everything anyway.
            self._failed(error)
            if _is_demoted(error) or _begins_anew(self._client):
                self._later(self._leave())
            return None
        self._failures = 0
        self._not_before = float("-inf")
        return answer

    async def _ready(self) -> Any:
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())
            self._opening.add_done_callback(_retrieve)
        return await asyncio.shield(self._opening)

    async def _open(self) -> Any:
        client: Any = None
        try:
            client = self._connect()
            async with asyncio.timeout(_READY_WITHIN):
                await client.initialize()
        except BaseException:
            await _close(client)
            raise
        else:
            self._client = client
        finally:
            self._opening = None
        return client

    async def _leave(self) -> None:
        """Connect anew for the next question: a server that was made a replica keeps its connections."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait((self._opening,))
        client, self._client = self._client, None
        await _close(client)

    def _failed(self, error: Exception) -> None:
        pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)]
        if self._failures == 0:
            told = {"detail": type(error).__name__}
            log.warning("Redis did not answer; sessions are looked up in the database", extra=told)
        self._failures += 1
        self._not_before = self._clock() + pause


def _begins_anew(client: Any) -> bool:
    """Whether a cluster's client is about to ask all servers once more, which is done in the background too."""
    return bool(getattr(client, "_initialize", False))


async def _close(client: Any) -> None:
    if client is not None:
        with contextlib.suppress(Exception):
            await client.aclose()


def _retrieve(opening: "asyncio.Task[Any]") -> None:
    """Why it failed is told to who waits; nobody may."""
    if not opening.cancelled():
        opening.exception()


def _is_demoted(error: Exception) -> bool:
    from redis.exceptions import ReadOnlyError  # there, since somebody answered

    return isinstance(error, ReadOnlyError)


def place_of(id_hash: bytes) -> str:
    """What a copy is bound to, so that it opens at the place of its own session only."""
    return id_hash.hex()


def sealed_copy(keyring: Keyring, id_hash: bytes, values: list[Any]) -> bytes:
    """Nobody who reads Redis reads about people, and nobody who writes to it makes a session."""
    return keyring.seal(_PURPOSE, msgspec.msgpack.encode(values), bound_to=place_of(id_hash))


def opened_copy(keyring: Keyring, id_hash: bytes, sealed: bytes) -> tuple[float, Values]:
    """Until when a copy says something, and what. Raises SealError, and others for what is no copy at all."""
    data = keyring.open(_PURPOSE, sealed, bound_to=place_of(id_hash))
    until, *values = msgspec.msgpack.decode(data, type=list)
    return until, tuple(values)


def _key(id_hash: bytes) -> str:
    # One key a session and no command with several: in a cluster each lies where it may.
    return _PREFIX + id_hash.hex()


def copies_of(config: SessionConfig, keyring: Keyring) -> Copies | None:
    """Copies in the Redis of the settings; None where none is set.

    Raises:
        ConfigError: not such a URL, or redis-py is missing.
    """
    return Copies(_connector(config.redis, config.redis_ca_file), keyring) if config.redis else None


def _connector(url: str, ca_file: str) -> Callable[[], Any]:
    try:
        from redis.asyncio import Redis, RedisCluster
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise ConfigError("sessions.redis needs redis-py: pip install 'admit[server,redis]'") from None

    options: dict[str, Any] = {"socket_connect_timeout": _TIMEOUT, "protocol": 2}
    plain, cluster = url, False
    for written, meant in _CLUSTER.items():
        if url.startswith(written):
            plain, cluster = meant + url.removeprefix(written), True
    if plain.startswith("rediss://"):
        options |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
        if ca_file:
            options["ssl_ca_certs"] = ca_file

    # To one server ours is the only limit: another would be a task for each question.
    options["socket_timeout"] = _TIMEOUT if cluster else None

    def connect() -> Any:
        if cluster:
            return RedisCluster.from_url(plain, **options)
        return RedisClient(Redis.from_url(plain, retry=Retry(NoBackoff(), 0), **options))

    try:
        connect()
    except ValueError:
        raise ConfigError(_WANTED) from None
    return connect
