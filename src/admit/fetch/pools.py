"""The connections of a `Fetcher`: of threads, and of each event loop; none outlives a fork."""

import asyncio
import os
import ssl
import threading
import weakref

import httpcore2

from admit.fetch import egress, network

# Idle connections live longer than the default poll of 5 s. One that the server closed meanwhile costs a retry.
_KEEPALIVE = 30.0

_ALL: "weakref.WeakSet[Pools]" = weakref.WeakSet()


class Pools:
    """Pools by scheme and by how many connections each may have at the same time."""

    def __init__(
        self,
        allow: frozenset[str],
        *,
        ca_file: str | os.PathLike[str] | None,
        backend: httpcore2.NetworkBackend | None,
        resolver: network.Resolve,
    ) -> None:
        self._allow = allow
        self._ca_file = ca_file
        self._backend = backend
        self._resolver = resolver
        self._tls: ssl.SSLContext | None = None
        self.reset()
        _ALL.add(self)

    def reset(self) -> None:
        """What belongs to one process: a forked child must neither wait for a lock that a thread of its parent held,
        nor read answers from its parent's sockets."""
        self._lock = threading.Lock()
        self._threads: dict[tuple[str, int], httpcore2.ConnectionPool] = {}
        self._loops: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[tuple[str, int], httpcore2.AsyncConnectionPool]
        ] = weakref.WeakKeyDictionary()

    def of_threads(self, scheme: str, room: int) -> httpcore2.ConnectionPool:
        """The pool that threads share."""
        with self._lock:
            pool = self._threads.get((scheme, room))
            if pool is None:
                pool = self._threads[scheme, room] = httpcore2.ConnectionPool(
                    ssl_context=self._context() if scheme == "https" else None,
                    max_connections=room,
                    keepalive_expiry=_KEEPALIVE,
                    network_backend=network.GuardedBackend(self._trusted(), self._backend, self._resolver),
                )
            return pool

    async def of_loop(self, scheme: str, room: int) -> httpcore2.AsyncConnectionPool:
        """The pool of the running event loop."""
        await self._prepared(scheme)
        with self._lock:
            pools = self._loops.setdefault(asyncio.get_running_loop(), {})
            pool = pools.get((scheme, room))
            if pool is None:
                pool = pools[scheme, room] = httpcore2.AsyncConnectionPool(
                    ssl_context=self._context() if scheme == "https" else None,
                    max_connections=room,
                    keepalive_expiry=_KEEPALIVE,
                    network_backend=network.GuardedAsyncBackend(self._trusted()),
                )
            return pool

    def alone(self, scheme: str, connected: network.Connected) -> httpcore2.ConnectionPool:
        """A pool for one connection, which is told of as soon as there is one."""
        return httpcore2.ConnectionPool(
            ssl_context=self._context() if scheme == "https" else None,
            max_connections=1,
            network_backend=network.GuardedBackend(self._trusted(), self._backend, self._resolver, connected),
        )

    async def connection(self, target: egress.Target) -> httpcore2.AsyncNetworkStream:
        """A bare connection to a target, with TLS where its scheme says so."""
        await self._prepared(target.scheme)
        plain = await network.GuardedAsyncBackend(self._trusted()).connect_tcp(target.host, target.port)
        if target.scheme == "http":
            return plain
        try:
            return await plain.start_tls(self._context(), target.host)
        except BaseException:
            await plain.aclose()
            raise

    def close(self) -> None:
        """Close the idle connections of threads."""
        with self._lock:
            pools, self._threads = self._threads, {}
        for pool in pools.values():
            pool.close()

    async def aclose(self) -> None:
        """Close the idle connections of the running event loop."""
        for pool in self._loops.pop(asyncio.get_running_loop(), {}).values():
            await pool.aclose()

    async def _prepared(self, scheme: str) -> None:
        if scheme == "https" and self._tls is None:
            await asyncio.to_thread(self._context)  # reading the system's certificates takes a while

    def _trusted(self) -> frozenset[tuple[str, int]]:
        targets = (egress.check_url(origin, self._allow) for origin in self._allow)
        return frozenset((target.host, target.port) for target in targets)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            context = httpcore2.default_ssl_context()
            if self._ca_file is not None:
                context.load_verify_locations(os.fspath(self._ca_file))
            self._tls = context
        return self._tls


def _after_fork() -> None:
    for pools in list(_ALL):
        pools.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
