"""`MemorySessionStore`: for one process, and gone with it."""

import os
import threading
import weakref
from dataclasses import replace
from math import inf
from typing import Final

from admit.relying_party.store.records import (
    TOMBSTONE,
    StoredEnd,
    StoredSession,
    unplaced,
)

_SWEEP_EVERY: Final = 60.0

_ALL: "weakref.WeakSet[MemorySessionStore]" = weakref.WeakSet()


class MemorySessionStore:
    """Sessions in the memory of one process: with several workers each has its own.

    For development and for applications of one worker; a restart signs everybody out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secret = os.urandom(32)
        self._sessions: dict[bytes, StoredSession] = {}
        self._leases: dict[bytes, tuple[float, bytes]] = {}
        self._spent: dict[bytes, float] = {}
        self._over: dict[bytes, tuple[float, float]] = {}
        self._swept_at = 0.0
        _ALL.add(self)

    def renew_after_fork(self) -> None:
        """Begin anew in a forked child, where whoever held the lock is not.

        Copies of sessions would renew the same tokens a second time, which a provider takes for theft.
        """
        self._lock = threading.Lock()
        self._sessions, self._leases = {}, {}

    def secret(self) -> bytes:
        return self._secret

    def add(self, session: StoredSession, issued_at: float, now: float) -> bool:
        place = unplaced(session.person) if session.at_provider is None else session.at_provider
        with self._lock:
            self._sweep(now)
            if any(is_over(self._over.get(name), issued_at, now) for name in (session.person, place)):
                return False
            self._sessions[session.id_hash] = session
            return True

    def get(self, id_hash: bytes, now: float) -> StoredSession | None:
        with self._lock:
            found = self._sessions.get(id_hash)
            return found if found is not None and _is_live(found, now) else None

    def touch(self, id_hash: bytes, idle_at: float) -> None:
        with self._lock:
            found = self._sessions.get(id_hash)
            if found is not None and found.idle_at < idle_at:
                self._sessions[id_hash] = replace(found, idle_at=idle_at)

    def lease(self, id_hash: bytes, version: int, now: float, until: float, holder: bytes = b"") -> bool:
        with self._lock:
            found, held = self._sessions.get(id_hash), self._leases.get(id_hash)
            if found is None or found.version != version or (held is not None and now < held[0]):
                return False
            self._leases[id_hash] = (until, holder)
            return True

    def release(self, id_hash: bytes, version: int, holder: bytes = b"") -> None:
        with self._lock:
            found, held = self._sessions.get(id_hash), self._leases.get(id_hash)
            if found is not None and found.version == version and held is not None and held[1] == holder:
                del self._leases[id_hash]

    def replace(self, id_hash: bytes, version: int, sealed: bytes) -> bool:
        with self._lock:
            found = self._sessions.get(id_hash)
            if found is None or found.version != version:
                return False
            self._sessions[id_hash] = replace(found, sealed=sealed, version=version + 1)
            self._leases.pop(id_hash, None)
            return True

    def end(self, id_hash: bytes, version: int | None = None) -> bool:
        with self._lock:
            found = self._sessions.get(id_hash)
            if version is not None and found is not None and found.version != version:
                return False
            self._leases.pop(id_hash, None)
            return self._sessions.pop(id_hash, None) is not None

    def end_of(self, told: StoredEnd, now: float) -> int:
        with self._lock:
            self._sweep(now)
            if now < self._spent.get(told.name, 0.0):
                return 0
            if told.at_provider is not None:
                self._over[told.at_provider] = (now + TOMBSTONE, inf)
            if told.stays is not None:
                name, told_at = told.stays
                self._over[name] = (now + TOMBSTONE, max(told_at, self._over.get(name, (0.0, 0.0))[1]))
            over = [one.id_hash for one in self._sessions.values() if _is_meant(one, told)]
            for id_hash in over:
                del self._sessions[id_hash]
                self._leases.pop(id_hash, None)
            self._spent[told.name] = told.until
            return len(over)

    def spend_once(self, name: bytes, now: float, until: float) -> bool:
        with self._lock:
            self._sweep(now)
            if now < self._spent.get(name, 0.0):
                return False
            self._spent[name] = until
            return True

    def _sweep(self, now: float) -> None:
        if 0 <= now - self._swept_at < _SWEEP_EVERY:
            return
        self._swept_at = now
        self._sessions = {name: one for name, one in self._sessions.items() if _is_live(one, now)}
        self._leases = {name: one for name, one in self._leases.items() if name in self._sessions}
        self._spent = {name: until for name, until in self._spent.items() if now < until}
        self._over = {name: kept for name, kept in self._over.items() if now < kept[0]}


def is_over(told: tuple[float, float] | None, issued_at: float, now: float) -> bool:
    """Whether what was issued then is meant by a provider's word: remembered until when, and told when."""
    return told is not None and now < told[0] and issued_at <= told[1]


def _is_meant(session: StoredSession, told: StoredEnd) -> bool:
    if told.at_provider is None or session.at_provider is None:
        return session.person == told.person
    return session.at_provider == told.at_provider


def _is_live(session: StoredSession, now: float) -> bool:
    return now < session.idle_at and now < session.expires_at


def _after_fork() -> None:
    for store in list(_ALL):
        store.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
