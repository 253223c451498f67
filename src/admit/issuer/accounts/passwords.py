"""Argon2id in a bounded thread pool, RFC 9106 §4.

Each hash takes 19 MiB and tens of milliseconds of a core. A flood of sign-ins must neither eat the memory nor hold up
the event loop, so that few run, some wait, and more than that are refused at once.
"""

import asyncio
import secrets
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from functools import cache
from typing import Final, TypeVar

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError

from admit.errors import TooBusyError

T = TypeVar("T")

# OWASP's smallest recommended Argon2id setting: 19 MiB, two passes, one lane.
ARGON2: Final = Argon2(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16)


class Match(Enum):
    """What became of a password check. OUTDATED: right, but hashed with older parameters; hash it anew."""

    NO = "no"
    YES = "yes"
    OUTDATED = "outdated"


@cache
def dummy_hash() -> str:
    """A hash that no password has, which costs as much to check as a real one: salt and digest are random."""
    salt, digest = (b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (16, 32))
    return (
        f"$argon2id$v=19$m={ARGON2.memory_cost},t={ARGON2.time_cost},p={ARGON2.parallelism}${salt}${digest}"
    )


def hash_to_check(stored: str | None) -> str | None:
    """What to compare with: for nobody's password the dummy, so that an unknown account takes as long to refuse."""
    return dummy_hash() if stored is None else stored


def compare(stored: str, password: bytes) -> Match:
    """One Argon2 computation. Blocks."""
    try:
        ARGON2.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return Match.NO
    return Match.OUTDATED if ARGON2.check_needs_rehash(stored) else Match.YES


def compute(password: bytes) -> str:
    """One Argon2 computation with a new salt. Blocks."""
    return ARGON2.hash(password)


class PasswordHasher:
    """`threads` hashes at a time, `queue` more may wait; beyond, TooBusyError (503 with Retry-After) at once.

    After `close` the next use begins anew, so that an application may be started twice in one process.
    """

    def __init__(self, *, threads: int = 2, queue: int = 64) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._opening = threading.Lock()
        self._places = threading.BoundedSemaphore(threads + queue)

    def take_place(self) -> bool:
        """Whether one more may run or wait."""
        return self._places.acquire(blocking=False)

    def _give_place(self, _: "Future[T]") -> None:
        self._places.release()

    async def _run(self, work: Callable[[], T]) -> T:
        if not self.take_place():
            raise TooBusyError("password hashing queue is full")
        future = self._submit(work)
        # Given back when the work is over or was never begun, not when the caller stops waiting for it.
        future.add_done_callback(self._give_place)
        return await asyncio.wrap_future(future)

    def _submit(self, work: Callable[[], T]) -> "Future[T]":
        with self._opening:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="admit-argon2")
            return self._pool.submit(work)

    async def hash(self, password: bytes) -> str:
        """The encoded hash to store.

        Raises:
            TooBusyError: too many wait already.
        """
        return await self._run(lambda: compute(password))

    async def verify(self, stored: str | None, password: bytes) -> Match:
        """Compare with a stored hash; None costs the same and is never right.

        Raises:
            TooBusyError: too many wait already.
        """
        against = hash_to_check(stored)
        if against is None:
            return Match.NO
        match = await self._run(lambda: compare(against, password))
        return Match.NO if stored is None else match

    def close(self) -> None:
        """Let those that run end, forget those that wait."""
        with self._opening:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
