"""What a refresh token is worth, and its use: judged by a pure rule, committed in one statement or while the family is
held. RFC 6749 §6, RFC 9700 §4.14.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

from admit.issuer.accounts.records import User
from admit.issuer.audit import AuditEvent, Outcome, RequestInfo, record
from admit.issuer.audit.rules import Detail
from admit.issuer.grants import rules
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.keys import RefreshKeys
from admit.issuer.grants.records import Family, OfUser, PresentedRefresh, Refreshed, Refusal, Refused
from admit.issuer.grants.refresh_token import RefreshToken
from admit.issuer.grants.store import families as store
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByNode
from admit.issuer.revocation.store import logins
from admit.issuer.storage import Bound, Steps

Fits: TypeAlias = Callable[[Family, User | None], None]
"""Whether new tokens can be written of what is known, asked before anything changes: it raises where they cannot."""


def always(family: Family, user: User | None) -> None:
    """Nothing to ask."""


NOTED_EVERY = 60.0  # seconds: how exactly the use of a token that does not rotate is noted


def load(family: str) -> Steps[Family | None]:
    """The family as it is stored."""
    rows = yield store.FIND(family=family)
    return store.family_of(rows[0]) if rows else None


def load_of_user(family: str) -> Steps[OfUser | None]:
    """The same, with whose it is."""
    rows = yield store.FIND_OF_USER(family=family)
    return store.of_user(rows[0]) if rows else None


def rotate(family: Family, after: int, now: float) -> Steps[bool]:
    """Go on to the next generation in one statement that only one caller wins."""
    rows = yield store.ROTATE(family=family.id, after=after, of_client=family.client_id, now=now)
    return bool(rows)


def rotated(family: Family, now: float) -> Family:
    """The family after `rotate`, which changes nothing else: no need to read it again."""
    return replace(family, generation=family.generation + 1, rotated_at=now, used_at=now)


def used_session(family: Family) -> str | None:
    """The session that a use of this family is a use of: the one that an online grant hangs from."""
    return None if family.offline else family.session_id


def idle_limit(family: Family, config: GrantsConfig) -> timedelta:
    """How long a family may go unused. One that is a client's own has no idle clock: it has no refresh tokens."""
    if family.user_id is None:
        return config.machine_absolute
    return config.refresh_idle if family.offline else config.online_idle


def judge(
    keys: RefreshKeys,
    config: GrantsConfig,
    token: RefreshToken,
    stored: Family | None,
    *,
    client_id: str,
    rotates: bool,
    jkt: str | None,
    now: float,
) -> rules.RefreshDecision:
    """The rule's decision about a token, with its MAC checked against the stored salt."""
    presented = PresentedRefresh(
        generation=token.generation,
        client_id=client_id,
        rotates=rotates,
        jkt=jkt,
        genuine=stored is not None and keys.is_genuine(token, stored),
    )
    idle = config.online_idle if stored is None else idle_limit(stored, config)
    return rules.judge_refresh(presented, stored, now=now, grace=config.refresh_grace, idle=idle)


def refresh(
    lists: Lists,
    keys: RefreshKeys,
    config: GrantsConfig,
    token: RefreshToken,
    *,
    client_id: str,
    rotates: bool,
    jkt: str | None,
    seen_every: timedelta,
    info: RequestInfo,
    now: float,
    fits: Fits = always,
) -> Steps[Refreshed | Refused]:
    """Decide, and commit what was decided while the family is held; or end it.

    The user is as of before: whoever is disabled meanwhile has had the family ended, which is seen when it is held.
    """
    found = yield from load_of_user(token.family)
    stored, user = found if found is not None else (None, None)
    if stored is not None and stored.user_id is not None and user is None:
        info = info.without_place()
    decision = judge(keys, config, token, stored, client_id=client_id, rotates=rotates, jkt=jkt, now=now)
    if stored is not None and isinstance(decision, rules.Rotate | rules.Keep):
        fits(stored, user)
    if stored is not None and isinstance(decision, rules.Rotate):
        # Before the node is held: who loses here may have to end it, and must not wait for others that hold it too.
        if (yield from rotate(stored, decision.after, now)):
            stored = rotated(stored, now)
        else:
            stored = yield from load(token.family)
            decision = judge(
                keys, config, token, stored, client_id=client_id, rotates=rotates, jkt=jkt, now=now
            )
            if isinstance(decision, rules.Rotate):
                decision = rules.Refuse(Refusal.REUSED)
    if stored is None:
        return Refused(Refusal.UNKNOWN)
    match decision:
        case rules.Refuse(reason):
            if reason is not Refusal.FORGED:  # garbage that names a family is no news of that family
                yield _refused(stored, reason, client_id=client_id, info=info, now=now)
            return Refused(reason)
        case rules.EndFamily(family, reason):
            yield from revocation.end(lists, ByNode(family), reason="refresh token reused", now=now)
            if stored.user_id is not None and stored.session_id is not None:
                yield logins.over_in(stored.user_id, stored.client_id, session_id=stored.session_id, now=now)
            yield note(AuditEvent.REFRESH_REUSED, stored, Outcome.REFUSED, info=info, now=now)
            return Refused(reason)
        case rules.Keep() if not rotates:
            yield store.NOTE_USE(family=stored.id, before=now - NOTED_EVERY, now=now)
    # Sessions before nodes, as those that end idle ones lock them.
    if (session_id := used_session(stored)) is not None:
        yield store.SEE_SESSION(session_id=session_id, before=now - seen_every.total_seconds(), now=now)
    if (yield from revocation.lock_node(stored.id, now)) is None:
        yield _refused(stored, Refusal.ENDED, client_id=client_id, info=info, now=now)
        return Refused(Refusal.ENDED)
    yield note(AuditEvent.TOKEN_REFRESHED, stored, Outcome.DONE, info=info, now=now)
    return Refreshed(family=stored, refresh_token=keys.write(stored, stored.generation), user=user)


def _refused(family: Family, reason: Refusal, *, client_id: str, info: RequestInfo, now: float) -> Bound:
    """The record of a genuine token that was worth nothing."""
    event = AuditEvent.REFRESH_AHEAD if reason is Refusal.AHEAD else AuditEvent.TOKEN_REFUSED
    more: dict[str, Detail] = {"reason": reason.value}
    if client_id != family.client_id:
        more["presented_by"] = client_id
    return note(event, family, Outcome.REFUSED, more, info=info, now=now)


def note(
    event: AuditEvent,
    family: Family,
    outcome: Outcome,
    more: Mapping[str, Detail] | None = None,
    *,
    info: RequestInfo,
    now: float,
) -> Bound:
    """The record of what became of a family, with the generation that it is at."""
    return record(
        event,
        outcome=outcome,
        info=info,
        now=now,
        user_id=family.user_id,
        client_id=family.client_id,
        session_id=family.session_id,
        detail={"grant": family.id, "generation": family.generation, **(more or {})},
    )
