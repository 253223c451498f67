"""The one MetaData of all stores, and what the newest migration leaves behind."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

# Every constraint has a name that both databases agree on, so that a migration can speak of it later.
metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives row numbers of its own only to a column that is exactly INTEGER PRIMARY KEY.
IDENTITY: Final = BigInteger().with_variant(Integer, "sqlite")

VERSION_TABLE: Final = "admit_version"
READ_VERSION: Final = "SELECT version_num FROM admit_version"
HEAD: Final = "0009"

# What a database at HEAD holds. `open` compares, so that a half-made schema is seen before the first request.
TABLES: Final = frozenset(
    {
        "audit",
        "authorization_code",
        "budget",
        "client",
        "client_login",
        "client_origin",
        "consent",
        "email_link",
        "event_cursor",
        "event_told",
        "grant_family",
        "holder",
        "initial_access_token",
        "interaction",
        "known_device",
        "meta",
        "node",
        "refusal",
        "pending_sign_in",
        "pushed_request",
        "recovery_code",
        "second_factor",
        "outbox",
        "resource",
        "session",
        "sign_in_answer",
        "sign_in_flow",
        "signing_key",
        "spent_assertion",
        "status_batch",
        "status_change",
        "status_head",
        "status_list",
        "throttle",
        "user_account",
        "user_group",
        "user_role",
        VERSION_TABLE,
    }
)

# Marks a SQLite file as ours ("Admt"), so that another program's database is never migrated.
APPLICATION_ID: Final = 0x41646D74

meta: Final = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
