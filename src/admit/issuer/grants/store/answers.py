"""What an application's own sign-in page said of an interaction, until the browser comes with it."""

from typing import Final

from sqlalchemy import Column, Double, Integer, LargeBinary, Table, Text, bindparam, delete, insert, select

from admit.issuer.grants.store.interactions import interaction
from admit.issuer.storage import Statement, metadata
from admit.issuer.storage.portions import Portions

sign_in_answer: Final = Table(
    "sign_in_answer",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True),
    Column("interaction_hash", LargeBinary, nullable=False),
    Column("user_id", Text),
    Column("credential_version", Integer),
    Column("proofs", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
)

# Whoever has the handle may read what is asked, and nothing comes of that: to go on takes the browser's own secret.
OPEN: Final = Statement(
    select(interaction.c.request, interaction.c.client_id, interaction.c.created_at, interaction.c.expires_at,
           interaction.c.session_id)
    .where(
        interaction.c.id_hash == bindparam("of_id"),
        interaction.c.finished_at.is_(None),
        interaction.c.expires_at > bindparam("now", type_=Double),
    )
)  # fmt: skip
INSERT: Final = Statement(
    insert(sign_in_answer).values({column.name: bindparam(column.name) for column in sign_in_answer.c})
)
# A row comes back to one caller only, and only for the interaction that it was said of.
SPEND: Final = Statement(
    delete(sign_in_answer)
    .where(
        sign_in_answer.c.key_hash == bindparam("of_key"),
        sign_in_answer.c.interaction_hash == bindparam("of_id"),
        sign_in_answer.c.expires_at > bindparam("now", type_=Double),
    )
    .returning(sign_in_answer.c.user_id, sign_in_answer.c.credential_version, sign_in_answer.c.proofs)
)
FORGET_OF_USER: Final = Statement(
    delete(sign_in_answer).where(sign_in_answer.c.user_id == bindparam("of_user"))
)
FORGET: Final = Portions(sign_in_answer, sign_in_answer.c.expires_at < bindparam("before", type_=Double))
