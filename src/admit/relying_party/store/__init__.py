"""Where a backend-for-frontend keeps sessions: in this process, in one file, or in Redis for many machines."""

from admit.relying_party.store.memory import MemorySessionStore
from admit.relying_party.store.records import SessionStore, StoredEnd, StoredSession
from admit.relying_party.store.redis import RedisSessionStore
from admit.relying_party.store.sqlite import SqliteSessionStore

__all__ = [
    "MemorySessionStore",
    "RedisSessionStore",
    "SessionStore",
    "SqliteSessionStore",
    "StoredEnd",
    "StoredSession",
]
