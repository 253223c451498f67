"""The table `known_device`: which browser was signed in with by whom, and under which password."""

from typing import Final

from sqlalchemy import (
    Column,
    Double,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    or_,
    select,
    update,
)

from admit.issuer.storage import Statement, metadata, upsert
from admit.issuer.storage.portions import Portions

known_device: Final = Table(
    "known_device",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False),
    Column("user_id", Text, nullable=False, index=True),
    Column("credential_version", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    UniqueConstraint("token_hash", "user_id"),
)

FIND: Final = Statement(
    select(known_device.c.token_hash).where(
        known_device.c.token_hash == bindparam("token_hash"),
        known_device.c.user_id == bindparam("user_id"),
        known_device.c.credential_version == bindparam("version"),
        known_device.c.used_at > bindparam("since"),
    )
)
# A browser that several people use keeps being known to each of them under its new secret.
MOVE: Final = Statement(
    update(known_device)
    .where(known_device.c.token_hash == bindparam("old_hash"))
    .values(token_hash=bindparam("new_hash"))
)
_remembered = upsert(known_device).values({column.name: bindparam(column.name) for column in known_device.c})
REMEMBER: Final = Statement(
    _remembered.on_conflict_do_update(
        index_elements=["token_hash", "user_id"],
        set_={
            "credential_version": _remembered.excluded.credential_version,
            "used_at": _remembered.excluded.used_at,
        },
    ).returning(known_device.c.id)
)
_others = known_device.alias("others")
# Those of an older password, and the ones that were not used for longest beyond so many.
TRIM: Final = Statement(
    delete(known_device).where(
        known_device.c.user_id == bindparam("of_user"),
        or_(
            known_device.c.credential_version != bindparam("version"),
            known_device.c.id.not_in(
                select(_others.c.id)
                .where(_others.c.user_id == bindparam("of_user"))
                .order_by(_others.c.used_at.desc(), _others.c.id)
                .limit(bindparam("count"))
            ),
        ),
    )
)
FORGET: Final = Statement(
    delete(known_device).where(known_device.c.user_id == bindparam("of_user")).returning(known_device.c.id)
)
PORTIONS: Final = Portions(known_device, known_device.c.used_at <= bindparam("before", type_=Double))
"""For the sweeper: devices that nobody signed in with for so long."""
