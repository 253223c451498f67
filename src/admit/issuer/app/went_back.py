"""What a database must be made to forget, or to remember, after it went back in time: restored, or failed over.

Its rows are those of an earlier moment. What was ended, revoked or spent since then is not known to it, and would be
good once more. So all that could be is made worthless before anything is served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from admit.issuer.accounts.links import store as links
from admit.issuer.audit import AuditEvent, record
from admit.issuer.factors import rules as factor_rules
from admit.issuer.factors import store as factors
from admit.issuer.grants.store import codes, flows, interactions
from admit.issuer.keys import store as keys
from admit.issuer.outbox import store as outbox
from admit.issuer.revocation import HolderKind, Lists
from admit.issuer.revocation.store import holders, raise_epoch
from admit.issuer.storage import LONG, Database, Steps

ACTOR: Final = "command line"
_EVER: Final = 1e18  # seconds: later than any time that a row can have


@dataclass(frozen=True, slots=True)
class Known:
    """What the database that is replaced tells of its time since the backup: keys that were revoked, users that were
    disabled, recovery codes that were used; each as parameters of the statement that keeps it."""

    keys: Sequence[Mapping[str, Any]]
    disabled: Sequence[tuple[str, float]]
    used: Sequence[Mapping[str, Any]]


async def known_of(db: Database) -> Known:
    """Read it from an open database. Raises StorageUnavailableError."""
    return Known(
        keys=[
            {name: row[name] for name in keys.REVOKED_COLUMNS} for row in await db.read(keys.SELECT_REVOKED())
        ],
        disabled=[
            (row["id"], row["ended_at"])
            for row in await db.read(holders.SELECT_ENDED(holder_kind=HolderKind.USER.value))
        ],
        used=[
            {
                "of_user": row["user_id"],
                "of_slot": row["slot"],
                "hash": row["code_hash"],
                "at": row["used_at"],
            }
            for row in await db.read(factors.SELECT_USED())
        ],
    )


def settle(
    lists: Lists,
    *,
    now: float,
    keep_older_families: bool = False,
    known: Known | None = None,
    revoke_keys: bool = False,
    restored: bool = False,
    above: int = 0,
) -> Steps[int]:
    """Make the database safe to serve, in one transaction; the new epoch.

    Ends every session and grant (with `keep_older_families` only those that it does not know), so that whoever signed
    out since is not signed in again. What was good for one use is good for none. What `known` names is revoked,
    disabled and spent here too; with `revoke_keys` every signing key is revoked, because nobody knows which of them
    were. `restored`: mails that wait are not sent either, since they were. The epoch is greater than `above`.
    """
    yield LONG
    yield from spend_all(now=now)
    if restored:
        yield outbox.FORGET(before=_EVER)
    if known is not None:
        yield from catch_up(known)
    if revoke_keys:
        yield from distrust_keys(now=now)
    told = record(
        AuditEvent.EPOCH_RAISED,
        now=now,
        actor=ACTOR,
        detail={
            "kept_older_families": keep_older_families,
            "revoked_keys": revoke_keys,
            "restored": restored,
        },
    )
    return (
        yield from raise_epoch(
            lists, now=now, keep_older_families=keep_older_families, told=told, above=above
        )
    )


def spend_all(*, now: float) -> Steps[None]:
    """Whatever is good for one use may have been used: codes, links, sign-ins under way, the steps of apps."""
    yield codes.VOID_ALL(now=now)
    yield interactions.FINISH_ALL(now=now)
    yield flows.FORGET_ALL()
    yield links.FORGET_ALL()
    yield factors.FORGET_ALL_PENDING()
    # An app's clock may be a step ahead.
    yield factors.SPEND_STEPS(step=int(now // factor_rules.PERIOD) + 1)


def catch_up(known: Known) -> Steps[None]:
    """Revoke the keys, disable the users and spend the codes that the replaced database tells of."""
    for key in known.keys:
        yield keys.KEEP_REVOKED(**key)
        yield keys.REVOKE(key=key["kid"], now=key["revoked_at"])
    for user_id, ended_at in known.disabled:
        yield from holders.end_holder(HolderKind.USER, user_id, ended_at)
    for used in known.used:
        yield factors.SPEND_USED(**used)


def distrust_keys(*, now: float) -> Steps[None]:
    """Revoke every signing key: any may be one that was stolen. The next start makes others."""
    yield keys.REVOKE_ALL(now=now)
