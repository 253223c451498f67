"""Engine, transactions, sealed values, migrations. No feature's SQL: each store writes its own tables here.

SQLAlchemy describes tables and statements; the drivers (sqlite3, asyncpg) run them.
"""

from admit.issuer.storage.config import StorageConfig
from admit.issuer.storage.database import Database, bound_once, dialect_of
from admit.issuer.storage.end_listeners import EndListener
from admit.issuer.storage.keyring import Keyring, SealError
from admit.issuer.storage.schema import IDENTITY, metadata
from admit.issuer.storage.statement import (
    LONG,
    PUBLISH,
    Bound,
    DialectName,
    Long,
    Many,
    Publish,
    Row,
    Statement,
    Step,
    Steps,
    Unless,
    any_of,
    insert_or_ignore,
    list_of,
    tx_id,
    upsert,
)

__all__ = [
    "IDENTITY",
    "LONG",
    "PUBLISH",
    "Bound",
    "Database",
    "DialectName",
    "EndListener",
    "Keyring",
    "Long",
    "Many",
    "Publish",
    "Row",
    "SealError",
    "Statement",
    "Step",
    "Steps",
    "StorageConfig",
    "Unless",
    "any_of",
    "bound_once",
    "dialect_of",
    "insert_or_ignore",
    "list_of",
    "metadata",
    "tx_id",
    "upsert",
]
