"""Tables of clients, their origins, resources, and initial access tokens.

Of a client of the settings the database knows no more than the id; everything else about it is in the settings.
"""

from typing import Final

from sqlalchemy import (
    Column,
    Double,
    Integer,
    LargeBinary,
    Table,
    Text,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from admit.issuer.clients.records import Source
from admit.issuer.revocation.records import HolderKind
from admit.issuer.revocation.store.tables import holder
from admit.issuer.storage import Statement, any_of, insert_or_ignore, metadata, upsert

client: Final = Table(
    "client",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("removed_at", Double),
    Column("document", Text),  # its metadata as JSON; none where the settings have it
    Column("secret_hashes", LargeBinary),  # SHA-256, 32 octets each, one after another
    Column("updated_at", Double),
    Column("fresh_until", Double),  # of a metadata document: when it is to be fetched again
    Column("registration_hash", LargeBinary),  # SHA-256 of the registration access token, RFC 7592
    Column("invited_by", Text, index=True),  # the initial access token that it registered with
)

client_origin: Final = Table(
    "client_origin",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("client_id", Text, primary_key=True, index=True),
)

resource: Final = Table(
    "resource",
    metadata,
    Column("id", Text, primary_key=True),
    Column("document", Text, nullable=False),
    Column("secret_hash", LargeBinary),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)

initial_access_token: Final = Table(
    "initial_access_token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("policy", Text, nullable=False),
    Column("uses_left", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("removed_at", Double),
)

_now = bindparam("now", type_=Double)

# Ids of the settings

LIVE_CLIENTS: Final = Statement(
    select(client.c.id).where(client.c.source == Source.SETTINGS.value, client.c.removed_at.is_(None))
)
ANY_CLIENT: Final = Statement(select(client.c.id).where(client.c.id == bindparam("id")))
SYNC_CLIENT: Final = Statement(
    upsert(client)
    .values(id=bindparam("id"), source=Source.SETTINGS.value, created_at=bindparam("created_at"))
    .on_conflict_do_update(
        index_elements=["id"],
        set_={"removed_at": None, "source": Source.SETTINGS.value},
        where=client.c.removed_at.is_not(None) | (client.c.source != Source.SETTINGS.value),
    )
    .returning(client.c.id)
)
SYNC_REMOVED: Final = Statement(
    update(client)
    .where(
        any_of(client.c.id, "ids"),
        client.c.removed_at.is_(None),
        client.c.source == Source.SETTINGS.value,
    )
    .values(removed_at=bindparam("now"))
    .returning(client.c.id)
)

# Clients that the database keeps

_OURS = (
    client.c.removed_at.is_(None),
    client.c.document.is_not(None),
    client.c.source != Source.SETTINGS.value,
)

FIND: Final = Statement(
    select(client.c.id, client.c.document, client.c.secret_hashes).where(
        client.c.id == bindparam("id"), *_OURS, client.c.source != Source.METADATA_DOCUMENT.value
    )
)
FIND_MANY: Final = Statement(
    select(client.c.id, client.c.document, client.c.secret_hashes).where(any_of(client.c.id, "ids"), *_OURS)
)
FIND_ROW: Final = Statement(select(*client.c).where(client.c.id == bindparam("id")))
COUNT: Final = Statement(select(func.count().label("n")).select_from(client).where(*_OURS))
LIST: Final = Statement(
    select(*client.c)
    .where(client.c.id > bindparam("after"), *_OURS)
    .order_by(client.c.id)
    .limit(bindparam("count"))
)
ADD: Final = Statement(
    upsert(client)
    .values(
        id=bindparam("id"), source=bindparam("source"), created_at=_now, document=bindparam("document"),
        secret_hashes=bindparam("secret_hashes"), updated_at=_now, fresh_until=bindparam("fresh_until"),
        registration_hash=bindparam("registration_hash"), invited_by=bindparam("invited_by"),
    )
    .on_conflict_do_update(
        index_elements=["id"],
        set_={
            "source": bindparam("source"), "document": bindparam("document"), "removed_at": None,
            "secret_hashes": bindparam("secret_hashes"), "updated_at": _now,
            "fresh_until": bindparam("fresh_until"), "registration_hash": bindparam("registration_hash"),
            "invited_by": bindparam("invited_by"),
        },
        # What the settings let go of was not ended with it: another owner of its id would come into all of that.
        where=client.c.removed_at.is_not(None) & (client.c.source != Source.SETTINGS.value),
    )
    .returning(client.c.id)
)  # fmt: skip
REPLACE_SECRETS: Final = Statement(
    update(client)
    .where(
        client.c.id == bindparam("of"), *_OURS, client.c.secret_hashes == bindparam("seen", type_=LargeBinary)
    )
    .values(secret_hashes=bindparam("secret_hashes"), updated_at=_now)
    .returning(client.c.id)
)
REMOVE: Final = Statement(
    update(client)
    .where(client.c.id == bindparam("of"), *_OURS)
    .values(removed_at=_now, secret_hashes=None, registration_hash=None)
    .returning(client.c.id)
)

# Clients that registered themselves, RFC 7592

REPLACE_REGISTERED: Final = Statement(
    update(client)
    .where(
        client.c.id == bindparam("of"), *_OURS, client.c.registration_hash == bindparam("presented", type_=LargeBinary)
    )
    .values(
        document=bindparam("document"), secret_hashes=bindparam("secret_hashes"), updated_at=_now,
        registration_hash=bindparam("registration_hash"),
    )
    .returning(client.c.id)
)  # fmt: skip
HOLD_REGISTRATION: Final = Statement(  # which changes nothing, and keeps others out until COMMIT
    update(client)
    .where(
        client.c.id == bindparam("of"),
        *_OURS,
        client.c.registration_hash == bindparam("presented", type_=LargeBinary),
    )
    .values(registration_hash=client.c.registration_hash)
    .returning(client.c.id)
)
FORGET_REGISTRATION: Final = Statement(
    update(client)
    .where(
        client.c.id == bindparam("of"),
        *_OURS,
        client.c.registration_hash == bindparam("presented", type_=LargeBinary),
    )
    .values(registration_hash=None)
    .returning(client.c.id)
)

# Clients with a metadata document

ADD_DOCUMENT: Final = Statement(
    insert_or_ignore(client)
    .values(
        id=bindparam("id"), source=Source.METADATA_DOCUMENT.value, created_at=_now, updated_at=_now,
        document=bindparam("document"), fresh_until=bindparam("fresh_until"),
    )
    .returning(client.c.id)
)  # fmt: skip
_DOCUMENT = (
    client.c.id == bindparam("of"), client.c.source == Source.METADATA_DOCUMENT.value, client.c.removed_at.is_(None),
)  # fmt: skip
KEEP_DOCUMENT: Final = Statement(
    update(client)
    .where(*_DOCUMENT)
    .values(document=bindparam("document"), updated_at=_now, fresh_until=bindparam("fresh_until"))
    .returning(client.c.id)
)
STALE_DOCUMENT: Final = Statement(update(client).where(*_DOCUMENT).values(fresh_until=0.0))

# What strangers left behind: described itself, was let in by nobody, and was never granted anything

_UNUSED: Final = (
    client.c.source.in_([Source.REGISTRATION.value, Source.METADATA_DOCUMENT.value]),
    client.c.invited_by.is_(None),
    client.c.removed_at.is_(None),
    client.c.updated_at < bindparam("before", type_=Double),
    ~exists().where(holder.c.kind == HolderKind.CLIENT.value, holder.c.id == client.c.id),
)
UNUSED: Final = Statement(select(client.c.id).where(*_UNUSED).order_by(client.c.id).limit(500))
FORGET: Final = Statement(delete(client).where(any_of(client.c.id, "ids"), *_UNUSED).returning(client.c.id))

# Their origins

ADD_ORIGIN: Final = Statement(
    insert_or_ignore(client_origin).values(origin=bindparam("origin"), client_id=bindparam("client_id"))
)
DROP_ORIGINS: Final = Statement(delete(client_origin).where(client_origin.c.client_id == bindparam("of")))
DROP_ORIGINS_OF: Final = Statement(delete(client_origin).where(any_of(client_origin.c.client_id, "ids")))
HAS_ORIGIN: Final = Statement(
    select(client_origin.c.origin).where(client_origin.c.origin == bindparam("origin")).limit(1)
)

# Resources

RESOURCES: Final = Statement(select(*resource.c).order_by(resource.c.id))
ADD_RESOURCE: Final = Statement(
    insert_or_ignore(resource)
    .values(
        id=bindparam("id"), document=bindparam("document"), secret_hash=bindparam("secret_hash"),
        created_at=_now, updated_at=_now,
    )
    .returning(resource.c.id)
)  # fmt: skip
FIND_RESOURCE: Final = Statement(select(*resource.c).where(resource.c.id == bindparam("id")))
CHANGE_RESOURCE: Final = Statement(
    update(resource)
    .where(resource.c.id == bindparam("of"), resource.c.document == bindparam("seen", type_=Text))
    .values(document=bindparam("document"), updated_at=_now)
    .returning(resource.c.id)
)
REMOVE_RESOURCE: Final = Statement(
    delete(resource).where(resource.c.id == bindparam("of")).returning(resource.c.id)
)

# Initial access tokens, RFC 7591 §3

ADD_TOKEN: Final = Statement(
    insert(initial_access_token).values(
        id=bindparam("id"), hash=bindparam("hash"), policy=bindparam("policy"),
        uses_left=bindparam("uses"), created_at=_now, expires_at=bindparam("expires_at"),
    )
)  # fmt: skip
SPEND_TOKEN: Final = Statement(
    update(initial_access_token)
    .where(
        initial_access_token.c.hash == bindparam("presented", type_=LargeBinary),
        initial_access_token.c.uses_left > 0,
        initial_access_token.c.expires_at > _now,
        initial_access_token.c.removed_at.is_(None),
    )
    .values(uses_left=initial_access_token.c.uses_left - 1)
    .returning(initial_access_token.c.id)
)
FIND_TOKEN: Final = Statement(
    select(initial_access_token.c.id, initial_access_token.c.policy).where(
        initial_access_token.c.hash == bindparam("presented", type_=LargeBinary),
        initial_access_token.c.uses_left > 0,
        initial_access_token.c.expires_at > _now,
        initial_access_token.c.removed_at.is_(None),
    )
)
POLICY_OF: Final = Statement(
    select(initial_access_token.c.policy).where(initial_access_token.c.id == bindparam("id"))
)
LIST_TOKENS: Final = Statement(
    select(*initial_access_token.c)
    .where(initial_access_token.c.removed_at.is_(None), initial_access_token.c.expires_at > _now)
    .order_by(initial_access_token.c.created_at)
)
REMOVE_TOKEN: Final = Statement(
    update(initial_access_token)
    .where(initial_access_token.c.id == bindparam("of"), initial_access_token.c.removed_at.is_(None))
    .values(removed_at=_now)
    .returning(initial_access_token.c.id)
)
