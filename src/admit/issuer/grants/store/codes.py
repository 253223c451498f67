"""Authorization codes, by their SHA-256."""

from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Double,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    bindparam,
    exists,
    insert,
    select,
    update,
)

from admit.issuer.grants.records import Authorization, StoredCode
from admit.issuer.grants.store import claims
from admit.issuer.storage import Row, Statement, metadata
from admit.issuer.storage.portions import Portions

authorization_code: Final = Table(
    "authorization_code",
    metadata,
    Column("code_hash", LargeBinary, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("code_challenge", Text),
    Column("nonce", Text),
    Column("scope", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("auth_time", Double, nullable=False),
    Column("acr", Text, nullable=False),
    Column("amr", Text, nullable=False),
    Column("offline", SmallInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("spent_at", Double),
    Column("grant_id", Text),
    Column("claims", Text),
    Index(None, "client_id", "code_challenge"),
    Index(None, "nonce"),
)

INSERT: Final = Statement(
    insert(authorization_code).values(
        {
            column.name: bindparam(column.name)
            for column in authorization_code.c
            if column.name not in ("spent_at", "grant_id")
        }
    )
)
FIND: Final = Statement(
    select(authorization_code).where(authorization_code.c.code_hash == bindparam("code_hash"))
)
_of_client = authorization_code.c.client_id == bindparam("of_client")
SENT_BEFORE: Final = Statement(
    select(
        exists()
        .where(_of_client, authorization_code.c.code_challenge == bindparam("challenge", type_=Text))
        .label("challenge"),
        exists()
        .where(_of_client, authorization_code.c.nonce == bindparam("nonce", type_=Text))
        .label("nonce"),
    )
)
"""Whether a client had a code for this challenge, or with this nonce, before, as far back as codes are kept."""
# The one winner: repeats all that the decision rested on and that may have changed.
SPEND: Final = Statement(
    update(authorization_code)
    .where(
        authorization_code.c.code_hash == bindparam("of_code"),
        authorization_code.c.spent_at.is_(None),
        authorization_code.c.expires_at > bindparam("now", type_=Double),
    )
    .values(spent_at=bindparam("now", type_=Double))
    .returning(authorization_code.c.code_hash)
)
GRANT_OF: Final = Statement(
    select(authorization_code.c.grant_id)
    .where(authorization_code.c.code_hash == bindparam("of_code"))
    .with_for_update()
)
"""What a code was spent for, when nobody is spending it."""
SET_GRANT: Final = Statement(
    update(authorization_code)
    .where(authorization_code.c.code_hash == bindparam("of_code"))
    .values(grant_id=bindparam("family"))
)


def _void(*which: ColumnElement[bool]) -> Statement:
    code = authorization_code.c
    return Statement(
        update(authorization_code)
        .where(*which, code.spent_at.is_(None), code.expires_at > bindparam("now", type_=Double))
        .values(expires_at=bindparam("now", type_=Double))
    )


_OF_CLIENT: Final = authorization_code.c.client_id == bindparam("of_client")
VOID_OF_CLIENT: Final = _void(_OF_CLIENT)
VOID_OF_USER_AND_CLIENT: Final = _void(_OF_CLIENT, authorization_code.c.user_id == bindparam("of_user"))
VOID_ALL: Final = Statement(
    update(authorization_code)
    .where(authorization_code.c.spent_at.is_(None))
    .values(expires_at=bindparam("now", type_=Double))
)
FORGET: Final = Portions(
    authorization_code, authorization_code.c.created_at < bindparam("before", type_=Double)
)


def parameters(authorization: Authorization) -> dict[str, Any]:
    """An authorization as parameters of INSERT."""
    return {
        "client_id": authorization.client_id,
        "user_id": authorization.user_id,
        "session_id": authorization.session_id,
        "redirect_uri": authorization.redirect_uri,
        "code_challenge": authorization.code_challenge,
        "nonce": authorization.nonce,
        "scope": " ".join(sorted(authorization.scope)),
        "audience": authorization.audience,
        "auth_time": authorization.auth_time,
        "acr": authorization.acr,
        "amr": " ".join(authorization.amr),
        "offline": int(authorization.offline),
        "claims": claims.written(authorization.claims),
    }


def stored_code_of(row: Row) -> StoredCode:
    """The code in a row of FIND."""
    return StoredCode(
        authorization=Authorization(
            client_id=row["client_id"],
            user_id=row["user_id"],
            session_id=row["session_id"],
            redirect_uri=row["redirect_uri"],
            scope=frozenset(row["scope"].split()),
            audience=row["audience"],
            code_challenge=row["code_challenge"],
            nonce=row["nonce"],
            auth_time=row["auth_time"],
            acr=row["acr"],
            amr=tuple(row["amr"].split()),
            offline=bool(row["offline"]),
            claims=claims.read(row["claims"]),
        ),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        spent_at=row["spent_at"],
        grant_id=row["grant_id"],
    )
