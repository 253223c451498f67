"""`RedisSessionStore`: sessions in Redis or Valkey, for workers on several machines."""

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, Final

from admit.errors import ConfigError, UnavailableError
from admit.relying_party.store import redis_scripts as scripts
from admit.relying_party.store.records import TOMBSTONE, StoredEnd, StoredSession, unplaced

_TIMEOUT: Final = 2.0
"""Seconds for one question to Redis, with connecting and with asking once more."""
_SLACK: Final = 60.0
"""Seconds for which Redis keeps what is over, so that it forgets nothing early by a clock that goes ahead."""
_FOR_EVER: Final = 1e300
_BATCH: Final = 500
_FIELDS: Final = ("s", "p", "o", "i", "e", "v")
_CLUSTER: Final = {"redis+cluster://": "redis://", "rediss+cluster://": "rediss://"}


class RedisSessionStore:
    """Sessions in Redis or Valkey, for all workers on all machines. Needs `pip install 'admit[redis]'`.

    `redis` is a URL (`redis://`, `rediss://` or `unix://`; `redis+cluster://` and `rediss+cluster://` for a Redis
    Cluster), or a function that makes a client of redis-py, such as one of sentinels; `ca_file` vouches for the server
    where the system does not. `name` tells applications apart that share one Redis. A cluster spreads the sessions.

    What is sealed opens with the browsers' cookies only: who reads Redis reads hashes and times, and who writes to it
    makes no session. **What Redis loses** (emptied, failed over, evicted) costs a sign-in and nothing else. A lost
    write can bring a session back that was ended: it goes on until its access token is over, since the provider renews
    none. Where that must not be, have Redis wait for its disk (`appendfsync always`).

    Raises:
        ConfigError: not such a URL, or redis-py is missing.
        UnavailableError: (from its methods) Redis did not answer in 2 seconds, connecting included (a cluster's servers
            have as long for each step, and are asked twice), or not as it should.
    """

    def __init__(
        self,
        redis: str | Callable[[], Any],
        *,
        name: str = "admit:bff",
        ca_file: str | os.PathLike[str] | None = None,
    ) -> None:
        if not name or "{" in name or "}" in name:
            raise ConfigError("RedisSessionStore(name=...) is a text without braces")
        self._name = name
        self._connect = _connector(redis, ca_file) if isinstance(redis, str) else redis
        self._client: Any = None
        self._process = 0

    def __repr__(self) -> str:
        return f"RedisSessionStore(name={self._name!r})"  # never the URL: it may hold a password

    def secret(self) -> bytes:
        key = self._together("secret")
        found = self._call(lambda client: client.get(key))
        if found is None:
            made = os.urandom(32)
            self._call(lambda client: client.set(key, made, nx=True))
            found = self._call(lambda client: client.get(key))
        if not isinstance(found, bytes) or len(found) != 32:
            raise UnavailableError("the session store: Redis did not keep its secret")
        return found

    def add(self, session: StoredSession, issued_at: float, now: float) -> bool:
        key = self._session(session.id_hash)
        kept = _ms(min(session.idle_at, session.expires_at) - now + _SLACK)
        values = (session.sealed, session.person, session.at_provider or b"", session.idle_at)
        self._run(scripts.ADD, [key], kept, *values, session.expires_at, session.version)
        place = unplaced(session.person) if session.at_provider is None else session.at_provider
        names = (session.person, place)
        # The session first: an end that comes between finds it by its names, or is found by this.
        entered = self._run(
            scripts.ENTER,
            [*(self._over(one) for one in names), *(self._of(one) for one in names)],
            now,
            issued_at,
            session.id_hash,
            session.expires_at,
            _ms(session.expires_at - now + _SLACK),
        )
        if not entered:
            self.end(session.id_hash)
        return bool(entered)

    def get(self, id_hash: bytes, now: float) -> StoredSession | None:
        key = self._session(id_hash)
        found = self._call(lambda client: client.hmget(key, _FIELDS))
        session = _session_of(id_hash, found)
        if session is None or now >= session.idle_at or now >= session.expires_at:
            return None
        return session

    def touch(self, id_hash: bytes, idle_at: float) -> None:
        self._run(scripts.TOUCH, [self._session(id_hash)], idle_at)

    def lease(self, id_hash: bytes, version: int, now: float, until: float, holder: bytes = b"") -> bool:
        lasts = _ms(until - now)
        return bool(self._run(scripts.LEASE, [self._session(id_hash)], version, lasts, holder, _call_id()))

    def release(self, id_hash: bytes, version: int, holder: bytes = b"") -> None:
        self._run(scripts.RELEASE, [self._session(id_hash)], version, holder)

    def replace(self, id_hash: bytes, version: int, sealed: bytes) -> bool:
        return bool(self._run(scripts.REPLACE, [self._session(id_hash)], version, sealed))

    def end(self, id_hash: bytes, version: int | None = None) -> bool:
        key = self._session(id_hash)
        if version is not None:
            return bool(self._run(scripts.END, [key], version))
        return bool(self._call(lambda client: client.delete(key)))

    def end_of(self, told: StoredEnd, now: float) -> int:
        stays = [] if told.at_provider is None else [(told.at_provider, _FOR_EVER)]
        stays += [] if told.stays is None else [told.stays]
        keys, spent = list[str](), self._spent(told.name)
        for name, _ in stays:
            keys += [self._over(name), self._of(name)]
        over = self._run(
            scripts.TELL,
            [spent, *keys],
            now,
            now + TOMBSTONE,
            _ms(TOMBSTONE + _SLACK),
            *(told_at for _, told_at in stays),
        )
        ended = sum(self.end(id_hash) for id_hash in over)
        # They are forgotten, and the word is spent, when all of them are over: until then it can come again.
        for start in range(0, len(over), _BATCH):
            some = over[start : start + _BATCH]
            for name, _ in stays:
                self._forget(name, some)
        self.spend_once(told.name, now, told.until)
        return ended

    def spend_once(self, name: bytes, now: float, until: float) -> bool:
        lasts = _ms(max(until - now, 0.0) + _SLACK)
        return bool(self._run(scripts.SPEND, [self._spent(name)], now, until, lasts, _call_id()))

    def close(self) -> None:
        """Close the connections; others are opened when they are needed."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _forget(self, name: bytes, sessions: Sequence[bytes]) -> None:
        key = self._of(name)
        self._call(lambda client: client.zrem(key, *sessions))

    def _session(self, id_hash: bytes) -> str:
        return f"{self._name}:session:{id_hash.hex()}"

    def _over(self, name: bytes) -> str:
        return self._together(f"over:{name.hex()}")

    def _of(self, name: bytes) -> str:
        return self._together(f"of:{name.hex()}")

    def _spent(self, name: bytes) -> str:
        return self._together(f"spent:{name.hex()}")

    def _together(self, what: str) -> str:
        return f"{{{self._name}}}:{what}"

    def _run(self, script: str, keys: list[str], *values: bytes | float) -> Any:
        """One script, by its digest where the server has it already."""
        arguments = (*keys, *(repr(one) if isinstance(one, float) else one for one in values))

        def run(client: Any) -> Any:
            from redis.exceptions import NoScriptError

            try:
                return client.evalsha(_digest(script), len(keys), *arguments)
            except NoScriptError:
                return client.eval(script, len(keys), *arguments)

        return self._call(run)

    def _call(self, ask: Callable[[Any], Any]) -> Any:
        from redis.exceptions import ReadOnlyError, RedisError

        from admit.relying_party.store.redis_connections import within

        try:
            if self._client is None or self._process != os.getpid():
                self._client, self._process = self._connect(), os.getpid()
            with within(_TIMEOUT):
                return ask(self._client)
        except (RedisError, OSError) as error:
            pool = getattr(self._client, "connection_pool", None)
            if isinstance(error, ReadOnlyError) and pool is not None:
                pool.disconnect()  # a server that was made a replica keeps them; the next may lead to the master
            raise UnavailableError(f"the session store: Redis: {type(error).__name__}") from error


def _ms(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))


def _call_id() -> bytes:
    """By which a step that is sent again knows what it did itself."""
    return os.urandom(16).hex().encode()


def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()  # Redis's own name of a script


def _session_of(id_hash: bytes, found: Sequence[bytes | None]) -> StoredSession | None:
    """What Redis holds, if it is a session: a stranger's writing is none."""
    sealed, person, at_provider, idle_at, expires_at, version = found
    if sealed is None or person is None or idle_at is None or expires_at is None or version is None:
        return None
    try:
        session = StoredSession(
            id_hash=id_hash,
            sealed=sealed,
            person=person,
            at_provider=at_provider or None,
            idle_at=float(idle_at),
            expires_at=float(expires_at),
            version=int(version),
        )
    except ValueError:
        return None
    return session if math.isfinite(session.idle_at) and math.isfinite(session.expires_at) else None


def _connector(url: str, ca_file: str | os.PathLike[str] | None) -> Callable[[], Any]:
    try:
        from redis import Redis, RedisCluster
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as RedisConnectionError
        from redis.retry import Retry

        from admit.relying_party.store.redis_connections import LIMITED
    except ImportError:
        raise ConfigError("RedisSessionStore needs redis-py: pip install 'admit[redis]'") from None

    wanted = (
        "RedisSessionStore takes a redis://, rediss:// or unix:// URL, with +cluster before :// for a cluster"
    )
    options: dict[str, Any] = {"socket_timeout": _TIMEOUT, "socket_connect_timeout": _TIMEOUT, "protocol": 2}
    plain, cluster = url, False
    for written, meant in _CLUSTER.items():
        if url.startswith(written):
            plain, cluster = meant + url.removeprefix(written), True
    if plain.startswith("rediss://"):
        options |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
        if ca_file is not None:
            options["ssl_ca_certs"] = os.fspath(ca_file)
    elif not plain.startswith(("redis://", "unix://")):
        raise ConfigError(wanted)

    def connect() -> Any:
        if cluster:
            return RedisCluster.from_url(plain, retry=Retry(NoBackoff(), 1), **options)
        limited = LIMITED[plain.partition(":")[0]]
        return Redis.from_url(plain, retry=again, connection_class=limited, **options)

    # Once more: a connection that the server closed while it was idle is told by the next command. What was waited for
    # in vain is not asked again.
    again = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    if not cluster:  # a cluster's client dials at once
        try:
            connect().close()
        except ValueError:
            raise ConfigError(wanted) from None
    return connect
