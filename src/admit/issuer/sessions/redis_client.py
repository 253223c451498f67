"""Connections to one Redis server that go from hand to hand: what one has done with, the next takes without the pool's
doing.

redis-py's pool looks each time whether the connection lives, and tells its metrics of taking and of giving back, which
costs more than the question does. It still makes the connections, and has each back that something went wrong with.
"""

import contextlib
from typing import Any


class RedisClient:
    """A redis-py client for one server, of which no two questions share a connection. Made where redis-py is there.

    Time limits are the caller's: whoever is cancelled before the whole answer was read leaves a connection that nobody
    gets any more.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._pool = client.connection_pool
        self._idle: list[Any] = []
        self._closed = False

    async def initialize(self) -> None:
        """Nothing: each connection is made when it is wanted."""

    async def get(self, key: str) -> Any:
        return await self._ask("GET", key)

    async def set(self, key: str, value: bytes, *, px: int, nx: bool = False) -> Any:
        return await self._ask("SET", key, value, "PX", px, *(("NX",) if nx else ()))

    async def eval(self, script: str, count: int, *words: str | bytes) -> Any:
        return await self._ask("EVAL", script, count, *words)

    async def aclose(self) -> None:
        """Close the connections."""
        self._closed = True
        self._idle.clear()
        await self._client.aclose()

    async def _ask(self, *words: Any) -> Any:
        """The answer to one command, which is asked again where an idle connection turns out to be closed. None of ours
        does harm when it was carried out before.

        Raises:
            redis.exceptions.RedisError, OSError: there is none.
        """
        while self._idle:  # the hot path
            connection = self._idle.pop()
            try:
                return await self._on(connection, words)
            except _gone():
                if self._closed:
                    raise
                continue  # the server closed it while it was idle, which is told only now
        return await self._on(await self._pool.get_connection(), words)

    async def _on(self, connection: Any, words: tuple[Any, ...]) -> Any:
        try:
            await connection.send_command(*words, check_health=False)
            answer = await connection.read_response()
        except BaseException:
            # What is half read, or still to come, is another's answer: none of it is for the next.
            await self._drop(connection)
            raise
        self._idle.append(connection)
        return answer

    async def _drop(self, connection: Any) -> None:
        try:
            with contextlib.suppress(Exception):
                await connection.disconnect(nowait=True)
        finally:
            with contextlib.suppress(KeyError):  # the pool was closed meanwhile
                await self._pool.release(connection)


def _gone() -> type[Exception]:
    from redis.exceptions import ConnectionError

    return ConnectionError
