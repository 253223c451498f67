"""Users and clients as rows that issuing locks."""

from typing import Final

from sqlalchemy import bindparam, select, update

from admit.issuer.revocation.records import HolderKind
from admit.issuer.revocation.store.tables import holder
from admit.issuer.storage import Statement, Steps, insert_or_ignore

_ROW = (holder.c.kind == bindparam("holder_kind")) & (holder.c.id == bindparam("holder_id"))

ADD_HOLDER: Final = Statement(
    insert_or_ignore(holder).values(
        kind=bindparam("holder_kind"), id=bindparam("holder_id"), created_at=bindparam("now")
    )
)
END_HOLDER: Final = Statement(
    update(holder).where(_ROW, holder.c.ended_at.is_(None)).values(ended_at=bindparam("now"))
)
RESTORE_HOLDER: Final = Statement(update(holder).where(_ROW).values(ended_at=None))
SHARE_HOLDER: Final = Statement(select(holder.c.ended_at).where(_ROW).with_for_update(read=True))
SELECT_ENDED: Final = Statement(
    select(holder.c.id, holder.c.ended_at).where(
        holder.c.kind == bindparam("holder_kind"), holder.c.ended_at.is_not(None)
    )
)
LOCK_HOLDER: Final = Statement(select(holder.c.id).where(_ROW).with_for_update())


def add_holder(kind: HolderKind | str, id: str, now: float) -> Steps[None]:
    """Let families be opened for this user or client. One that is there already stays as it is, ended or not."""
    yield ADD_HOLDER(holder_kind=HolderKind(kind).value, holder_id=id, now=now)


def end_holder(kind: HolderKind | str, id: str, now: float) -> Steps[None]:
    """Let no more families be opened. Those that are open are not ended: `end` does both for a user."""
    yield END_HOLDER(holder_kind=HolderKind(kind).value, holder_id=id, now=now)


def restore_holder(kind: HolderKind | str, id: str) -> Steps[None]:
    """Let families be opened again. What was ended stays ended."""
    yield RESTORE_HOLDER(holder_kind=HolderKind(kind).value, holder_id=id)


def share_user(user_id: str) -> Steps[bool]:
    """Hold off an end by this user until COMMIT. False: no such user, or disabled."""
    rows = yield SHARE_HOLDER(holder_kind=HolderKind.USER.value, holder_id=user_id)
    return bool(rows) and rows[0]["ended_at"] is None


def share_client(client_id: str, now: float) -> Steps[bool]:
    """Hold off an end by this client until COMMIT. False: ended. Clients come from settings, so a new one is added."""
    kind = HolderKind.CLIENT.value
    rows = yield SHARE_HOLDER(holder_kind=kind, holder_id=client_id)
    if not rows:
        yield ADD_HOLDER(holder_kind=kind, holder_id=client_id, now=now)
        rows = yield SHARE_HOLDER(holder_kind=kind, holder_id=client_id)
    return rows[0]["ended_at"] is None
