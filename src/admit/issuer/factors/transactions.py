"""The transactions of second factors: each writes its audit record along with what it tells."""

from collections.abc import Callable
from dataclasses import dataclass

from admit.issuer.accounts.records import User
from admit.issuer.accounts.store import USER_BY_ID, user_of
from admit.issuer.audit import AuditEvent, Outcome, RequestInfo, record
from admit.issuer.audit.rules import Detail
from admit.issuer.factors import codes, rules, store
from admit.issuer.factors.assurance import Proof
from admit.issuer.factors.config import FactorsConfig
from admit.issuer.factors.records import Enrolled, Factor, Pending, Proved, Refusal, Refused
from admit.issuer.outbox import Mail, Outbox
from admit.issuer.outbox.records import MailKind
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByUser, ByUserSessions
from admit.issuer.storage import Bound, Keyring, Many, SealError, Steps
from admit.issuer.throttle import bucket, give_back, take

ENROLMENT_TRIES = 20  # of a code that the person reads off the app; nothing is guessed by it


@dataclass(frozen=True, slots=True)
class Around:
    """What every transaction here is given."""

    keyring: Keyring
    lists: Lists
    outbox: Outbox
    config: FactorsConfig


@dataclass(frozen=True, slots=True)
class Held:
    """A waiting sign-in as its browser holds it: both hashes are needed to find it."""

    id_hash: bytes
    binding_hash: bytes

    @property
    def name(self) -> str:
        """What an app that is added in the course of it is bound to."""
        return "sign-in/" + self.id_hash.hex()


# ── a sign-in that waits ──────────────────────────────────────────────────────────────────────────────────────────


def alone() -> Steps[None]:
    """Nothing is written along with it."""
    yield from ()


def begin_sign_in(
    around: Around,
    user: User,
    held: Held,
    *,
    enrol: bool,
    next: str,
    now: float,
    along: Callable[[], Steps[None]] = alone,
) -> Steps[None]:
    """Keep a sign-in whose password was right. With `enrol` it brings an app that is to be added."""
    enrolment = None
    if enrol:
        enrolment = yield from begin_enrolment(around, user.id, begun_by=held.name, now=now)
    yield store.INSERT_PENDING(
        id_hash=held.id_hash,
        binding_hash=held.binding_hash,
        user_id=user.id,
        credential_version=user.credential_version,
        enrolment=enrolment,
        next=next,
        now=now,
        expires_at=now + around.config.sign_in_lifetime.total_seconds(),
    )
    yield from along()


def prove(
    around: Around, held: Held, typed: str, *, info: RequestInfo, now: float
) -> Steps[Proved | Refused]:
    """Take the code of a waiting sign-in, and finish it.

    The try is counted before the code is looked at, and a wrong one is returned, not raised: the count has to stay.
    """
    pending = yield from count_try(around, held, info=info, now=now)
    if isinstance(pending, Refused):
        return pending
    if pending.enrolment is not None:
        return Refused(Refusal.OVER)  # it waits for an app to be added, and for no code of one
    shown = yield from show(around, pending.user_id, typed, now=now)
    if isinstance(shown, Refused):
        yield _wrong(pending.user_id, shown.reason.value, info=info, now=now)
        return shown
    yield store.FINISH_PENDING(of_id=held.id_hash, of_browser=held.binding_hash, now=now)
    yield from give_back(bucket=_budget(pending.user_id))
    if shown is Proof.RECOVERY_CODE:
        left = (yield store.CODES_LEFT(of_user=pending.user_id))[0]["left"]
        detail: dict[str, Detail] = {"left": left}
        yield record(
            AuditEvent.RECOVERY_CODE_USED, info=info, now=now, user_id=pending.user_id, detail=detail
        )
        yield from _mail(around, "recovery_code_used", pending.user_id, {"left": str(left)}, now=now)
    return Proved(pending=pending, proof=shown)


def count_try(around: Around, held: Held, *, info: RequestInfo, now: float) -> Steps[Pending | Refused]:
    """One more code for this sign-in and this person, if there may be one more."""
    config = around.config
    rows = yield store.TRY_PENDING(
        of_id=held.id_hash, of_browser=held.binding_hash, limit=config.tries_per_sign_in, now=now
    )
    if not rows:
        return Refused(Refusal.OVER)
    pending = store.pending_of(rows[0])
    refused = yield from _count_for_person(around, pending.user_id, info=info, now=now)
    return refused or pending


def _count_for_person(
    around: Around, user_id: str, *, info: RequestInfo, now: float
) -> Steps[Refused | None]:
    config, name = around.config, _budget(user_id)
    verdict = yield from take(
        bucket=name, limit=config.tries_per_account, window=config.tries_window, now=now
    )
    if verdict.allowed:
        return None
    # Told once a window: a flood is on record, and does not fill it.
    if (yield from take(bucket=f"told-{name}", limit=1, window=config.tries_window, now=now)).allowed:
        yield record(
            AuditEvent.THROTTLED,
            outcome=Outcome.REFUSED,
            info=info,
            now=now,
            user_id=user_id,
            detail={"reason": "second-factor"},
        )
        yield from _mail(
            around, "second_factor_guessed", user_id, {}, now=now
        )  # whoever it is has the password
    return Refused(Refusal.TOO_MANY, verdict.retry_after.total_seconds())


def show(around: Around, user_id: str, typed: str, *, now: float) -> Steps[Proof | Refused]:
    """What the typed code proves, spent in the statement that decides."""
    if (code := rules.typed_code(typed)) is not None:
        return (yield from _show_totp(around, user_id, code, now=now))
    if (recovery := rules.typed_recovery_code(typed)) is not None:
        spent = yield from spend_recovery_code(user_id, rules.hash_recovery_code(user_id, recovery), now)
        return Proof.RECOVERY_CODE if spent else Refused(Refusal.WRONG)
    return Refused(Refusal.WRONG)


def _show_totp(around: Around, user_id: str, code: str, *, now: float) -> Steps[Proof | Refused]:
    found = Refused(Refusal.WRONG)
    for row in (yield store.SECRETS_OF_USER(of_user=user_id)):
        try:
            secret = codes.unseal(around.keyring, row["secret_sealed"], user_id=user_id, factor_id=row["id"])
        except SealError:
            continue  # it proves nothing; raised, it would take the count of this try back
        step = rules.matching_step(secret, code, now)
        if step is not None:
            if (yield from spend_step(user_id, row["id"], step, now)):
                return Proof.TOTP
            found = Refused(Refusal.SPENT)
    return found


def spend_step(user_id: str, factor_id: str, step: int, now: float) -> Steps[bool]:
    """Use up an app's codes to this step, in one statement that only one caller wins."""
    return bool((yield store.SPEND_STEP(of_id=factor_id, of_user=user_id, step=step, now=now)))


def spend_recovery_code(user_id: str, code_hash: bytes, now: float) -> Steps[bool]:
    """Use up a recovery code, in one statement that only one caller wins."""
    return bool((yield store.SPEND_CODE(of_user=user_id, of_hash=code_hash, now=now)))


# ── apps ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def begin_enrolment(around: Around, user_id: str, *, begun_by: str, now: float) -> Steps[str]:
    """A new secret, bound to the session or sign-in that asked; what that one began before is dropped. Its id."""
    factor_id, secret = codes.new_factor_id(), codes.new_secret()
    yield store.DROP_BEGUN(of_user=user_id, begun_by_=begun_by, after=_old(around, now))
    yield store.INSERT(
        id=factor_id,
        user_id=user_id,
        secret_sealed=codes.seal(around.keyring, secret, user_id=user_id, factor_id=factor_id),
        begun_by=begun_by,
        now=now,
    )
    return factor_id


def confirm(
    around: Around,
    user: User,
    *,
    factor_id: str,
    begun_by: str,
    code: str,
    name: str,
    sign_in: Held | None,
    info: RequestInfo,
    now: float,
) -> Steps[Enrolled | Refused]:
    """The new app has shown a code: it counts from now on. `sign_in` is the waiting sign-in that it finishes.

    With the first app everything that the password alone had opened is over, on every node and within the bound of
    every verifier, and ten recovery codes are made.
    """
    begun = {"of_id": factor_id, "of_user": user.id, "begun_by_": begun_by, "after": _old(around, now)}
    rows = yield store.TRY_BEGUN(**begun, limit=ENROLMENT_TRIES)
    if not rows:
        return Refused(Refusal.OVER)
    secret = codes.unseal(around.keyring, rows[0]["secret_sealed"], user_id=user.id, factor_id=factor_id)
    step = rules.matching_step(secret, code, now)
    if step is None:
        return Refused(Refusal.WRONG)
    if not (yield store.LOCK_CREDENTIALS(of_user=user.id, seen=user.credential_version)):
        return Refused(Refusal.CHANGED)
    there = yield store.OF_USER(of_user=user.id)
    if len(there) >= around.config.most_apps:
        return Refused(Refusal.FULL)
    if sign_in is not None and there:
        return Refused(Refusal.CHANGED)  # one was added meanwhile: that one has to be shown
    if sign_in is not None and not (
        yield store.FINISH_PENDING(of_id=sign_in.id_hash, of_browser=sign_in.binding_hash, now=now)
    ):
        return Refused(Refusal.OVER)
    yield store.CONFIRM(**begun, new_step=step, new_name=name, now=now)
    made: tuple[str, ...] = ()
    ended = 0
    if not there:
        ended = yield from end_what_the_password_opened(around, user.id, now=now)
        made = yield from _put_codes(user.id, now)
    detail: dict[str, Detail] = {"factor": factor_id, "kind": "totp", "ended": ended}
    yield record(AuditEvent.FACTOR_ADDED, info=info, now=now, user_id=user.id, detail=detail)
    yield from _mail(around, "second_factor_added", user.id, {}, now=now)
    factor = Factor(id=factor_id, name=name, created_at=now, last_used_at=now)
    return Enrolled(factor=factor, recovery_codes=made, ended=ended)


def end_what_the_password_opened(around: Around, user_id: str, *, now: float) -> Steps[int]:
    """The end of all that a first factor alone has opened, sign-ins under way included; how many families."""
    yield store.RAISE_CREDENTIALS(of_user=user_id)
    return (yield from revocation.end(around.lists, ByUser(user_id), reason="second factor added", now=now))


def remove(
    around: Around, user: User, factor_id: str, *, keep: str, must_have: bool, info: RequestInfo, now: float
) -> Steps[int | Refused | None]:
    """Take an app away, and end every session but `keep`: whoever holds the app may have one. How many families ended;
    None: there is no such app. With the last app the recovery codes go, which are worth nothing without it.

    `must_have`: the last one stays.
    """
    if not (yield store.LOCK_CREDENTIALS(of_user=user.id, seen=user.credential_version)):
        return Refused(Refusal.CHANGED)
    there = [row["id"] for row in (yield store.OF_USER(of_user=user.id))]
    if factor_id not in there:
        return None
    if must_have and len(there) == 1:
        return Refused(Refusal.FULL)
    yield store.REMOVE(of_id=factor_id, of_user=user.id)
    if len(there) == 1:
        yield store.REMOVE_CODES(of_user=user.id)
    yield store.RAISE_CREDENTIALS(of_user=user.id)
    ended = yield from revocation.end(
        around.lists, ByUserSessions(user.id, keep), reason="second factor removed", now=now
    )
    detail: dict[str, Detail] = {"factor": factor_id, "left": len(there) - 1, "ended": ended}
    yield record(
        AuditEvent.FACTOR_REMOVED, info=info, now=now, user_id=user.id, session_id=keep, detail=detail
    )
    yield from _mail(around, "second_factor_removed", user.id, {}, now=now)
    return ended


def reset(around: Around, user_id: str, *, info: RequestInfo, now: float) -> Steps[int | None]:
    """Take away all that a person has besides the password, and end everything. None: there was nothing."""
    yield store.DROP_PENDING(of_user=user_id)
    gone = [row for row in (yield store.REMOVE_ALL(of_user=user_id)) if row["confirmed_at"] is not None]
    if not gone:
        return None
    yield store.REMOVE_CODES(of_user=user_id)
    yield store.RAISE_CREDENTIALS(of_user=user_id)
    ended = yield from revocation.end(around.lists, ByUser(user_id), reason="second factors reset", now=now)
    detail: dict[str, Detail] = {"factors": len(gone), "ended": ended}
    yield record(AuditEvent.FACTORS_RESET, info=info, now=now, user_id=user_id, detail=detail)
    yield from _mail(around, "second_factor_removed", user_id, {}, now=now)
    return ended


# ── recovery codes ────────────────────────────────────────────────────────────────────────────────────────────────


def renew_codes(
    around: Around, user: User, *, info: RequestInfo, now: float
) -> Steps[tuple[str, ...] | None]:
    """Ten new codes in the place of the old, and a mail that says so: whoever has them gets past the second step.
    None: there is no app, or the credentials were changed meanwhile.
    """
    if not (yield store.LOCK_CREDENTIALS(of_user=user.id, seen=user.credential_version)):
        return None
    if not (yield store.ANY_OF_USER(of_user=user.id)):
        return None
    made = yield from _put_codes(user.id, now)
    yield record(AuditEvent.RECOVERY_CODES_MADE, info=info, now=now, user_id=user.id)
    yield from _mail(around, "recovery_codes_made", user.id, {}, now=now)
    return made


def _put_codes(user_id: str, now: float) -> Steps[tuple[str, ...]]:
    made = codes.new_recovery_codes()
    rows = [
        {"user_id": user_id, "slot": slot, "code_hash": rules.hash_recovery_code(user_id, code), "now": now}
        for slot, code in enumerate(made)
    ]
    yield Many(store.PUT_CODE, rows)
    return made


# ── ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _old(around: Around, now: float) -> float:
    return now - around.config.enrolment_lifetime.total_seconds()


def _budget(user_id: str) -> str:
    return bucket("second-factor", user_id)


def _wrong(user_id: str, reason: str, *, info: RequestInfo, now: float) -> Bound:
    return record(
        AuditEvent.LOGIN_FAILED,
        outcome=Outcome.REFUSED,
        info=info,
        now=now,
        user_id=user_id,
        detail={"reason": f"second factor: {reason}"},
    )


def _mail(around: Around, kind: MailKind, user_id: str, data: dict[str, str], *, now: float) -> Steps[None]:
    """The person is told; last in a transaction, since it locks one address's budget."""
    if not around.outbox.is_on:
        return
    rows = yield USER_BY_ID(user_id=user_id)
    if rows:
        user = user_of(rows[0])
        mail = Mail(kind=kind, user_id=user.id, to=user.email_shown, locale=user.locale, data=data)
        yield from around.outbox.post(mail, now=now)
