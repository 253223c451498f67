"""Is this the database that the keyring, and the issuer, belong to? Answered before anything is served."""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from admit.errors import ConfigError
from admit.issuer.storage.keyring import Keyring, SealError
from admit.issuer.storage.schema import meta
from admit.issuer.storage.statement import Row, Statement, Steps, insert_or_ignore, upsert

if TYPE_CHECKING:
    from admit.issuer.storage.database import Database

CANARY: Final = "keyring_canary"
BACKUP: Final = "backup"
"""In a backup alone: when it was made."""
READ_META = Statement(select(meta.c.value).where(meta.c.key == bindparam("key")))
ISSUER: Final = "issuer"
"""Whose users, keys and grants these are: the issuer identifier, as the settings spelled it."""
INSERT_META = Statement(insert_or_ignore(meta).values(key=bindparam("key"), value=bindparam("value")))
RENAME = Statement(
    upsert(meta)
    .values(key=ISSUER, value=bindparam("value"))
    .on_conflict_do_update(index_elements=[meta.c.key], set_={"value": bindparam("value")})
)


def plant(sealed: str) -> Steps[Sequence[Row]]:
    """Store the canary unless another node was first; the rows are what is stored."""
    yield INSERT_META(key=CANARY, value=sealed)
    rows: Sequence[Row] = yield READ_META(key=CANARY)
    return rows


async def check(db: "Database") -> None:
    """Raises ConfigError for a backup, and unless the canary opens with the keyring; a database without one gets it."""
    check_is_no_backup(await db.read(READ_META(key=BACKUP)))
    rows = await db.read(READ_META(key=CANARY))
    if not rows:
        sealed = db.keyring.seal(CANARY, secrets.token_bytes(16), bound_to="meta")
        rows = await db.run(plant, sealed=b64encode(sealed).decode())
    open_canary(db.keyring, rows[0]["value"])


def check_is_no_backup(rows: Sequence[Row]) -> None:
    """Raises ConfigError for a backup: served as it is, it would revive what was ended since."""
    if rows:
        raise ConfigError(
            "this database is a backup: take it up with `admit restore FILE`, which sees to it that nothing lives "
            "again that was ended since; nothing was changed"
        )


def open_canary(keyring: Keyring, value: str) -> None:
    """Raises ConfigError when the canary was sealed with a key that the keyring does not hold."""
    try:
        keyring.open(CANARY, b64decode(value), bound_to="meta")
    except (SealError, ValueError, TypeError):
        raise ConfigError(
            "keys.file is not the one that this database was made with: "
            "point keys.file (ADMIT_KEYS) at the right file; nothing was changed"
        ) from None


def adopt(issuer: str) -> Steps[str]:
    """Whose database this is. One that nobody has named yet, be it new or from before this was written down, is this
    issuer's from now on, unless another node was first.
    """
    yield INSERT_META(key=ISSUER, value=issuer)
    rows: Sequence[Row] = yield READ_META(key=ISSUER)
    return str(rows[0]["value"])


async def check_issuer(db: "Database", issuer: str) -> None:
    """Raises ConfigError for the database of another issuer: its users would be let in here, and these keys there."""
    rows = await db.read(READ_META(key=ISSUER))
    check_owner(rows[0]["value"] if rows else await db.run(adopt, issuer), issuer)


def check_owner(owner: str, issuer: str) -> None:
    """Raises ConfigError when the database was made by another issuer than this."""
    if owner != issuer:
        raise ConfigError(
            f"this database is that of the issuer {owner}, and the settings name {issuer}: set data to a folder of "
            "its own, or database (and keys.file); if the issuer got another name, run `admit issuer rename`; "
            "nothing was changed"
        )
