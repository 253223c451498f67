"""Where a backend-for-frontend keeps sessions: in this process, or in one file for all."""

from admit.relying_party.store.memory import MemorySessionStore
from admit.relying_party.store.records import SessionStore, StoredEnd, StoredSession
from admit.relying_party.store.sqlite import SqliteSessionStore

__all__ = [
    "MemorySessionStore",
    "SessionStore",
    "SqliteSessionStore",
    "StoredEnd",
    "StoredSession",
]
