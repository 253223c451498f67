"""What the errors of PostgreSQL and its driver mean: to whoever may try again, and to callers."""

import asyncio
from typing import Any, Final

import asyncpg

from admit.errors import AdmitError, ConfigError, ConflictError, StorageUnavailableError

RETRIED: Final = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected


def is_retried(error: BaseException) -> bool:
    """Whether the server says that the same transaction may succeed when it is run again."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in RETRIED


def is_lost(error: BaseException) -> bool:
    """Whether the connection, not the statement, is the trouble: restarted server, failover, idle time-out."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(("08", "57P01", "57P02", "57P05", "25P03"))
    return isinstance(error, ConnectionError | asyncpg.InterfaceError | asyncpg.InternalClientError)


# Connection, resources, operator's doing, a standby after failover, and what ran into one of our time limits.
_UNAVAILABLE: Final = ("08", "53", "57", "58", "25006", "25P03", "55P03", "40")


def translated(error: Exception) -> Exception:
    """What a driver's error means to callers.

    A driver's text may quote the values of a row, so only the kind is kept, and the text where it can but name parts
    of our own statement (class 42). Raise the result `from None`: the cause would be printed with it.
    """
    if isinstance(error, asyncpg.PostgresError):
        return _translated_state(error, error.sqlstate or "")
    if isinstance(error, asyncpg.UnsupportedClientFeatureError | asyncpg.ClientConfigurationError):
        return ConfigError("the PostgreSQL URL cannot be used: check its parameters")
    if isinstance(
        error, OSError | asyncio.TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    ):
        return StorageUnavailableError(f"PostgreSQL: {type(error).__name__}")
    return error


def while_open(error: Exception) -> Exception:
    """As `translated`. What was right at the start, such as the address or the password, is right again some time."""
    better = translated(error)
    return StorageUnavailableError(better.detail) if isinstance(better, ConfigError) else better


def _translated_state(error: Any, state: str) -> AdmitError:
    if state.startswith("23"):
        return ConflictError(f"PostgreSQL refused a row: {state} {error.constraint_name or ''}".rstrip())
    if state in ("3D000", "28000", "28P01"):
        return ConfigError(
            "the PostgreSQL database cannot be used: check its name, user and password in the URL"
        )
    if state.startswith(_UNAVAILABLE):
        return StorageUnavailableError(f"PostgreSQL: {state}")
    return AdmitError(f"PostgreSQL: {state} {error.message if state.startswith('42') else ''}".rstrip())
