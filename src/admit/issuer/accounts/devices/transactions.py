"""The transactions of known devices."""

from admit.issuer.accounts.devices import store
from admit.issuer.accounts.records import User
from admit.issuer.storage import Steps


def remember(
    user: User, *, id: str, old_hash: bytes | None, new_hash: bytes, count: int, now: float
) -> Steps[None]:
    """The browser is known to this user under a new secret, and so it is to whoever else it was known to."""
    if old_hash is not None:
        yield store.MOVE(old_hash=old_hash, new_hash=new_hash)
    rows = yield store.REMEMBER(
        id=id,
        token_hash=new_hash,
        user_id=user.id,
        credential_version=user.credential_version,
        created_at=now,
        used_at=now,
    )
    if rows[0]["id"] == id:  # one more
        yield store.TRIM(of_user=user.id, version=user.credential_version, count=count)


def forget(user_id: str) -> Steps[int]:
    """No browser is known to this user any more; how many were."""
    return len((yield store.FORGET(of_user=user_id)))
