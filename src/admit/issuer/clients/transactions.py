"""What is written of clients and resources: each with its audit record, in one transaction."""

from collections.abc import Collection, Sequence
from dataclasses import fields

from admit.issuer.audit import AuditEvent, RequestInfo, record
from admit.issuer.audit.records import NOBODY
from admit.issuer.audit.rules import Detail
from admit.issuer.clients import kept, rules, store
from admit.issuer.clients.records import Client, Resource, Source
from admit.issuer.revocation import store as revocation
from admit.issuer.storage import Steps


def sync(*, add: Collection[str], remove: Collection[str], now: float) -> Steps[None]:
    """Rows and holders for the clients of the settings; a mark on those that the settings name no more.

    A client that was taken out is unknown from then on, so its refresh tokens are worth nothing and its access tokens
    end within minutes. Nothing is ended here: while nodes are being renewed, some have the old settings.
    """
    for client_id in sorted(add):
        if (yield store.SYNC_CLIENT(id=client_id, created_at=now)):
            yield from revocation.add_holder("client", client_id, now=now)
            yield from revocation.restore_holder("client", client_id)
            yield record(AuditEvent.CLIENT_ADDED, now=now, client_id=client_id)
    if remove:
        for row in (yield store.SYNC_REMOVED(ids=sorted(remove), now=now)):
            yield record(AuditEvent.CLIENT_REMOVED, now=now, client_id=row["id"])


def add(
    client: Client,
    source: Source,
    *,
    registration_hash: bytes | None = None,
    invited_by: str | None = None,
    fresh_until: float | None = None,
    info: RequestInfo = NOBODY,
    now: float,
) -> Steps[bool]:
    """Keep a new client. False: the id is taken. One that was removed may come back, with nothing of what it had; the
    id of one that the settings had stays theirs.
    """
    rows = yield store.ADD(
        id=client.id,
        source=source.value,
        document=kept.document_of(client),
        secret_hashes=kept.join(client.secret_hashes),
        registration_hash=registration_hash,
        invited_by=invited_by,
        fresh_until=fresh_until,
        now=now,
    )
    if not rows:
        return False
    yield from put_origins(client)
    detail: dict[str, Detail] = {"source": source.value, "trusted": client.trusted, "invited_by": invited_by}
    if client.trusted:
        yield from revocation.add_holder("client", client.id, now=now)
        yield from revocation.restore_holder("client", client.id)
    # Strangers' have a holder when they are granted something, and are forgotten if they never are.
    event = AuditEvent.CLIENT_ADDED if client.trusted else AuditEvent.CLIENT_REGISTERED
    yield record(event, info=info, now=now, client_id=client.id, detail=detail)
    return True


def put_origins(client: Client) -> Steps[None]:
    """The web origins of its redirect URIs, instead of those that it had."""
    yield store.DROP_ORIGINS(of=client.id)
    for origin in sorted(
        {found for uri in client.redirect_uris if (found := rules.origin_of(uri)) is not None}
    ):
        yield store.ADD_ORIGIN(origin=origin, client_id=client.id)


def replace_secrets(
    client_id: str, seen: tuple[bytes, ...], hashes: tuple[bytes, ...], *, info: RequestInfo, now: float
) -> Steps[bool]:
    """Keep these hashes instead of those that were seen. False: they are others by now, or the client is gone."""
    rows = yield store.REPLACE_SECRETS(
        of=client_id, seen=kept.join(seen), secret_hashes=kept.join(hashes), now=now
    )
    if not rows:
        return False
    detail = {"secrets": len(hashes)}
    yield record(AuditEvent.CLIENT_SECRET_CHANGED, info=info, now=now, client_id=client_id, detail=detail)
    return True


def remove(client_id: str, *, info: RequestInfo, now: float) -> Steps[bool]:
    """Unknown from here on, with nothing issued any more. False: no such client here. What was granted to it is ended
    beside this, in the same transaction, by `consents.transactions.remove_client`.
    """
    if not (yield store.REMOVE(of=client_id, now=now)):
        return False
    yield from revocation.add_holder("client", client_id, now=now)
    yield from revocation.end_holder("client", client_id, now)
    yield store.DROP_ORIGINS(of=client_id)
    yield record(AuditEvent.CLIENT_REMOVED, info=info, now=now, client_id=client_id)
    return True


def spend(presented: bytes, now: float) -> Steps[str | None]:
    """Take one use of an initial access token; the invitation's id. None: it has none left, by now."""
    rows = yield store.SPEND_TOKEN(presented=presented, now=now)
    return str(rows[0]["id"]) if rows else None


def register(
    client: Client, *, token: bytes | None, registration_hash: bytes, info: RequestInfo, now: float
) -> Steps[bool]:
    """Keep a client that registered itself. `token` is the hash of its initial access token, one use of which is spent
    here. False: it has none left, by now.
    """
    invited_by: str | None = None
    if token is not None:
        invited_by = yield from spend(token, now)
        if invited_by is None:
            return False
    return (
        yield from add(
            client, Source.REGISTRATION, registration_hash=registration_hash, invited_by=invited_by,
            info=info, now=now,
        )
    )  # fmt: skip


def swap(client: Client, presented: bytes, registration_hash: bytes, now: float) -> Steps[bool]:
    """A new registration access token in the place of the presented one, which is what may change the client. False:
    another took its place meanwhile.
    """
    rows = yield store.REPLACE_REGISTERED(
        of=client.id, presented=presented, document=kept.document_of(client), now=now,
        secret_hashes=kept.join(client.secret_hashes), registration_hash=registration_hash,
    )  # fmt: skip
    return bool(rows)


def replace_registered(
    client: Client, *, presented: bytes, registration_hash: bytes, info: RequestInfo, now: float
) -> Steps[bool]:
    """A client's metadata instead of what it had, and its registration access token by a new one. False: the presented
    one is not good any more.
    """
    if not (yield from swap(client, presented, registration_hash, now)):
        return False
    yield from put_origins(client)
    yield record(AuditEvent.CLIENT_CHANGED, info=info, now=now, client_id=client.id)
    return True


def remove_registered(client_id: str, *, presented: bytes, info: RequestInfo, now: float) -> Steps[bool]:
    """As `remove`, on the word of the client itself. False: its registration access token is not good any more."""
    if not (yield store.FORGET_REGISTRATION(of=client_id, presented=presented)):
        return False
    return (yield from remove(client_id, info=info, now=now))


def keep_document(
    client: Client, *, changed: bool, fresh_until: float, info: RequestInfo, now: float
) -> Steps[bool]:
    """What a metadata document says now. False: an operator removed it, and it stays removed."""
    document = kept.document_of(client)
    if (yield store.ADD_DOCUMENT(id=client.id, document=document, fresh_until=fresh_until, now=now)):
        yield from put_origins(client)
        detail: dict[str, Detail] = {"source": Source.METADATA_DOCUMENT.value, "trusted": False}
        yield record(AuditEvent.CLIENT_REGISTERED, info=info, now=now, client_id=client.id, detail=detail)
        return True
    if not (yield store.KEEP_DOCUMENT(of=client.id, document=document, fresh_until=fresh_until, now=now)):
        return False
    if changed:
        yield from put_origins(client)
        yield record(AuditEvent.CLIENT_CHANGED, info=info, now=now, client_id=client.id)
    return True


def stale_document(url: str, *, now: float) -> Steps[None]:
    """A metadata document is not what it was: what is kept of it is used no more until it can be read again."""
    yield store.STALE_DOCUMENT(of=url)


def forget_unused(ids: Sequence[str], *, before: float) -> Steps[int]:
    """Delete those of these clients that strangers made and nobody was ever asked about; how many."""
    gone = [row["id"] for row in (yield store.FORGET(ids=ids, before=before))]
    if gone:
        yield store.DROP_ORIGINS_OF(ids=gone)
    return len(gone)


def invite(
    id: str, hash: bytes, policy: str, *, uses: int, expires_at: float, info: RequestInfo, now: float
) -> Steps[None]:
    """Keep an initial access token's hash and what it lets clients have."""
    yield store.ADD_TOKEN(id=id, hash=hash, policy=policy, uses=uses, expires_at=expires_at, now=now)
    detail: dict[str, Detail] = {"invite": id, "uses": uses}
    yield record(AuditEvent.CLIENT_INVITED, info=info, now=now, detail=detail)


def remove_invite(id: str, *, info: RequestInfo, now: float) -> Steps[bool]:
    """Nobody registers by it any more. False: no such one, or gone already."""
    if not (yield store.REMOVE_TOKEN(of=id, now=now)):
        return False
    yield record(AuditEvent.INVITE_REMOVED, info=info, now=now, detail={"invite": id})
    return True


def add_resource(resource: Resource, *, info: RequestInfo, now: float) -> Steps[bool]:
    """Keep a new resource. False: the id is taken."""
    rows = yield store.ADD_RESOURCE(
        id=resource.id,
        document=kept.document_of_resource(resource),
        secret_hash=resource.secret_hash,
        now=now,
    )
    if not rows:
        return False
    yield record(AuditEvent.RESOURCE_ADDED, info=info, now=now, detail={"resource": resource.id})
    return True


def change_resource(
    resource: Resource, *, before: Resource, seen: str, info: RequestInfo, now: float
) -> Steps[bool]:
    """Keep a resource instead of what it was, `seen` as its document; its secret stays what it is. False: the document
    is another by now, or gone.
    """
    document = kept.document_of_resource(resource)
    if not (yield store.CHANGE_RESOURCE(of=resource.id, seen=seen, document=document, now=now)):
        return False
    changed = [
        one.name for one in fields(Resource) if getattr(resource, one.name) != getattr(before, one.name)
    ]
    detail: dict[str, Detail] = {"resource": resource.id, "changed": " ".join(changed)}
    yield record(AuditEvent.RESOURCE_CHANGED, info=info, now=now, detail=detail)
    return True


def remove_resource(resource_id: str, *, info: RequestInfo, now: float) -> Steps[bool]:
    """Unknown from here on. False: no such resource here."""
    if not (yield store.REMOVE_RESOURCE(of=resource_id)):
        return False
    yield record(AuditEvent.RESOURCE_REMOVED, info=info, now=now, detail={"resource": resource_id})
    return True
