"""`RedisEndStore`: ends in Redis or Valkey, for workers on several machines."""

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import floor
from typing import Any

from admit.errors import ConfigError, EndStoreError, EndStoreFullError
from admit.verifier.boottime import boottime
from admit.verifier.ends import end as codec
from admit.verifier.ends import redis_scripts as scripts
from admit.verifier.ends.end import End
from admit.verifier.ends.store import KEEP, LIMIT, PolledEndStore

_LOG = logging.getLogger("admit.verifier")
_BATCH = 1_000
_GRACE = 1.2
"""Seconds for which an empty Redis is left to those who may remember what it held."""
_TIMEOUT = 2.0
_Mark = tuple[bytes, bytes]
"""The last end that was read, as Redis holds it, and its place there: it shows that places still mean the same."""
_NO_MARK: _Mark = (b"", b"")


class RedisEndStore(PolledEndStore):
    """Ends in Redis (or Valkey), for all workers of a deployment. Needs `pip install 'admit[redis]'`.

    `redis` is a URL, or a function that makes a client of redis-py, for a cluster or sentinels; it is called once in
    each process. All keys carry one hash tag, `name`. Every process reads what is new each `poll`; one that could
    not for `max_staleness` answers 503.

    **When Redis loses its data** (restarted empty, flushed, evicted), or the last of it (failed over, restarted from a
    file), processes that still run write back what they hold, and nothing is forgotten. Where none is left that read an
    emptied Redis within `max_staleness`, ends may be missing: so tokens issued before that moment are refused with 401,
    and their holders refresh them once. The first start on an empty Redis is the same case. Only last writes that Redis
    loses together with every process that read them are forgotten unnoticed: let it write with `appendfsync always`
    where that must not be.

    A replica is not read, nor a master that lacks the replicas which `min-replicas-to-write` asks for: what they were
    not told of would not be missed.

    `keep` is the longest life of a token, at least. Over `limit` ends no more are taken, with an error, and
    of one issuer no more than half of what the others leave of it.

    Raises:
        ConfigError: a duration out of range, or redis-py is missing.
    """

    def __init__(
        self,
        redis: str | Callable[[], Any],
        *,
        name: str = "admit:ends",
        keep: timedelta = KEEP,
        limit: int = LIMIT,
        poll: timedelta = timedelta(milliseconds=200),
        max_staleness: timedelta = timedelta(seconds=10),
        wall: Callable[[], float] = time.time,
        boottime: Callable[[], float] = boottime,
    ) -> None:
        if not name or "{" in name or "}" in name:
            raise ConfigError("RedisEndStore(name=...) is a text without braces")
        self._connect = _connector(redis) if isinstance(redis, str) else redis
        self._keys = [f"{{{name}}}:head", f"{{{name}}}:log"]
        self._client: Any = None
        self._scripts: dict[str, Any] = {}
        self._epoch = ""
        self._seq = 0
        self._mark = _NO_MARK
        super().__init__(
            keep=keep, limit=limit, poll=poll, max_staleness=max_staleness, wall=wall, boottime=boottime
        )

    def __repr__(self) -> str:
        return f"RedisEndStore(name={self._keys[0][1:-6]!r})"  # never the URL: it may hold a password

    def _after_fork(self) -> None:
        self._client, self._scripts, self._epoch, self._seq, self._mark = None, {}, "", 0, _NO_MARK
        super()._after_fork()

    def close(self) -> None:
        """Stop reading, and close the connections."""
        super().close()
        client, self._client, self._scripts = self._client, None, {}
        if client is not None:
            client.close()

    def _read(self) -> None:
        found = self._fetch(self._seq, self._mark)
        if found is not None and found.epoch == self._epoch:
            self._held.take(found.ends, since=found.since)
            self._seq, self._mark = found.last, found.mark
            return
        remembers = self._remembers()
        if found is None:
            self._begin(remembers)
        self._join(remembers)

    def _remembers(self) -> bool:
        """Whether all is held here that Redis had a moment ago."""
        age = self.age()
        return self._epoch != "" and age is not None and 0 <= age <= self.bound

    def _begin(self, remembers: bool) -> None:
        """Redis is empty, or holds a part: begin anew, from when on nothing is missing."""
        if remembers:
            since = self.view.since
        else:
            time.sleep(_GRACE)
            since = floor(self._wall())
        if self._call(scripts.BEGIN, secrets.token_hex(8), int(since)):
            _LOG.warning("Redis holds no ends: it is new, or it lost them; begun anew")

    def _join(self, remembers: bool) -> None:
        """Read all of an epoch that is new here, and write back what it lacks of all that is held."""
        found = self._fetch(0, _NO_MARK)
        if found is None:
            raise EndStoreError("Redis lost the ends while they were read")
        self._held.take(found.ends)
        there, soon = frozenset(found.ends), self._wall() + 60
        self._add(found.epoch, [end for end in self._held.all() if end.until > soon and end not in there])
        since = found.since
        if remembers and self.view.since < since:
            since = self.view.since
            self._call(scripts.LOWER, found.epoch, int(since))
        self._held.take((), since=since)
        self._epoch, self._seq, self._mark = found.epoch, found.last, found.mark

    def _fetch(self, place: int, mark: _Mark) -> "_Found | None":
        """The ends after a place; None where Redis does not hold a whole set, or not `mark` any more."""
        epoch, ends = b"", list[End]()
        while True:
            answer = self._call(scripts.READ, place, _BATCH, *mark)
            if not answer:
                return None
            if epoch not in (b"", answer[0]):
                raise EndStoreError("Redis lost the ends while they were read")
            epoch = answer[0]
            seq, place = int(answer[1]), int(answer[3])
            ends.extend(codec.decode(member) for member in answer[4])
            if answer[4]:
                mark = answer[4][-1], answer[5]
            if place >= seq or len(ends) > 2 * self.limit:
                return _Found(epoch.decode(), float(answer[2]), ends, place, mark)

    def _write(self, ends: Sequence[End]) -> bool:
        if not self._epoch:
            self._read()  # what room there is for an issuer is told by what is held
        new = self._new(ends)
        if not new:
            return False
        number = self._add(self._epoch, new)
        if number is None:
            self._read()
            number = self._add(self._epoch, new)
        if number is None:
            raise EndStoreError("Redis loses the ends again and again")
        self._held.take(new)
        return number > 0

    def _add(self, epoch: str, ends: Iterable[End]) -> int | None:
        """Add ends; how many were new in Redis. None: it holds another epoch."""
        members, total = [codec.encode(end) for end in ends], 0
        for start in range(0, len(members), _BATCH):
            number = self._call(scripts.ADD, epoch, self.limit, *members[start : start + _BATCH])
            if number == -1:
                return None
            if number == -2:
                raise EndStoreFullError("the store of ends is full")
            total += number
        return total

    def _clean(self, over: Iterable[End]) -> None:
        members = [codec.encode(end) for end in over]
        for start in range(0, len(members), _BATCH):
            self._call(scripts.DROP, *members[start : start + _BATCH])

    def _call(self, text: str, *arguments: Any) -> Any:
        from redis.exceptions import ReadOnlyError, RedisError

        try:
            if not self._scripts:
                self._client = self._connect()
                self._scripts = {
                    one: self._client.register_script(one)
                    for one in (scripts.READ, scripts.BEGIN, scripts.ADD, scripts.LOWER, scripts.DROP)
                }
            return self._scripts[text](keys=self._keys, args=arguments)
        except (RedisError, OSError) as error:
            pool = getattr(self._client, "connection_pool", None)
            if isinstance(error, ReadOnlyError) and pool is not None:
                pool.disconnect()  # a server that was made a replica keeps them; the next may lead to the master
            raise EndStoreError(f"Redis failed: {type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class _Found:
    epoch: str
    since: float
    ends: list[End]
    last: int
    mark: _Mark


def _connector(url: str) -> Callable[[], Any]:
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise ConfigError("RedisEndStore needs redis-py: pip install 'admit[redis]'") from None

    def connect() -> Any:
        return redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 1),  # one that the server closed while it was idle
            protocol=2,
        )

    try:
        connect().close()
    except ValueError:
        raise ConfigError("RedisEndStore takes a redis://, rediss:// or unix:// URL") from None
    return connect
