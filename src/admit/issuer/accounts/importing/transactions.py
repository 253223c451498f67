"""The transaction of one batch: each account with its audit record."""

from collections.abc import Sequence
from typing import Final

from admit.issuer.accounts import claims, passwords, store, transactions
from admit.issuer.accounts.importing.records import Batch, ImportedUser, Refused
from admit.issuer.accounts.importing.store import CLAIMED, UPDATE_PROFILE
from admit.issuer.accounts.pepper import bare
from admit.issuer.accounts.records import User
from admit.issuer.accounts.rules import ADMIN_ROLE
from admit.issuer.accounts.transactions import Label
from admit.issuer.audit import AuditEvent, RequestInfo, record
from admit.issuer.revocation.lists import Lists
from admit.issuer.storage import Steps

STRANGERS: Final = (
    "email: somebody made an account with this address here, and has not proved that it is theirs"
)


def write(
    lists: Lists, accounts: Sequence[ImportedUser], *, update: bool, info: RequestInfo, now: float
) -> Steps[Batch]:
    """Make the accounts that are not there; those that are, change with `update`, else leave alone."""
    made = updated = skipped = without_password = 0
    refused: list[Refused] = []
    # In one order, so that two imports of the same people do not wait for each other crosswise.
    for one in sorted(accounts, key=lambda one: (one.user.email, one.line)):
        hashed = one.password_hash or passwords.no_password()
        if (yield from transactions.insert_user(one.user, hashed, event=AuditEvent.USER_ADDED, info=info)):
            made += 1
            without_password += one.password_hash is None
            if one.disabled:
                yield from transactions.disable(lists, one.user.id, info=info, now=now)
        elif update and one.user.email in (yield from strangers([one.user.email])):
            refused.append(Refused(one.line, STRANGERS))
        elif update and (yield from _update(lists, one, info=info, now=now)):
            updated += 1
        else:
            skipped += 1
    return Batch(
        made=made,
        updated=updated,
        skipped=skipped,
        without_password=without_password,
        refused=tuple(refused),
    )


def strangers(emails: Sequence[str]) -> Steps[frozenset[str]]:
    """Which of these addresses an account has that may be anybody's: the file speaks of another person then, and what
    it gives, a role or the proof of the address, is not to go to whoever was here first.
    """
    return frozenset(row["email"] for row in (yield CLAIMED(emails=emails)))


def is_unused(stored: str) -> bool:
    """Whether a stored hash is another system's, or none: nobody has signed in with it here, or set it. Of Argon2
    that cannot be told, so it stays.
    """
    return passwords.is_no_password(stored) or not bare(stored).startswith("$argon2")


def _update(lists: Lists, one: ImportedUser, *, info: RequestInfo, now: float) -> Steps[bool]:
    """What the file says of somebody who is there. Nobody is let in by it who was kept out: a disabled account stays
    so, an operator's role is neither given nor taken, and a password that was used or set here stays.
    """
    rows = yield store.LOGIN_BY_EMAIL(email=one.user.email)
    if not rows:
        return False
    user, stored = store.user_of(rows[0]), rows[0]["password_hash"]
    changed = yield from _labels(lists, user, one, info=info, now=now)
    if "disabled" in one.said and one.disabled and not user.is_disabled:
        yield from transactions.disable(lists, user.id, info=info, now=now)
        changed = True
    if (yield from _profile(user, one, stored, info=info, now=now)):
        changed = True
    return changed


def _labels(lists: Lists, user: User, one: ImportedUser, *, info: RequestInfo, now: float) -> Steps[bool]:
    changed = False
    for label, said, has, wants in (
        (Label.ROLE, "roles", user.roles - {ADMIN_ROLE}, one.user.roles),
        (Label.GROUP, "groups", user.groups, one.user.groups),
    ):
        if said not in one.said:
            continue
        for name in sorted(has ^ wants):
            give = name in wants
            yield from transactions.change_label(lists, user.id, label, name, give=give, info=info, now=now)
            changed = True
    return changed


def _profile(user: User, one: ImportedUser, stored: str, *, info: RequestInfo, now: float) -> Steps[bool]:
    name = one.user.name if "name" in one.said else user.name
    locale = one.user.locale if "locale" in one.said else user.locale
    # What the file does not say of a number, whether it was proved, stays as it is here.
    unsaid = claims.FLAGS - one.said
    kept = claims.changed(
        user.claims, {name: value for name, value in one.user.claims.items() if name not in unsaid}
    )
    verifies = one.user.email_verified_at is not None and user.email_verified_at is None
    replaces = one.password_hash is not None and one.password_hash != stored and is_unused(stored)
    if not (verifies or replaces or (name, locale, kept) != (user.name, user.locale, user.claims)):
        return False
    yield UPDATE_PROFILE(
        of_user=user.id, new_name=name, new_locale=locale, new_claims=claims.write(kept),
        verified_at=one.user.email_verified_at, now=now,
    )  # fmt: skip
    if replaces:
        yield store.REHASH_PASSWORD(of_user=user.id, old_hash=stored, new_hash=one.password_hash)
    yield record(
        AuditEvent.USER_CHANGED, info=info, now=now, user_id=user.id,
        detail={"change": "import", "password": replaces},
    )  # fmt: skip
    return True
