"""`Families`: grants and their refresh tokens, RFC 6749 §6, RFC 9700 §4.14, RFC 7009."""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

from admit.errors import StorageUnavailableError
from admit.issuer.accounts.records import User
from admit.issuer.audit import AuditEvent, Outcome, RequestInfo, record
from admit.issuer.audit.rules import Detail
from admit.issuer.grants import ends, refresh_token, rules
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.keys import RefreshKeys
from admit.issuer.grants.records import (
    Authorization,
    Family,
    OfUser,
    PresentedRefresh,
    Refreshed,
    Refusal,
    Refused,
)
from admit.issuer.grants.refresh_token import RefreshToken
from admit.issuer.grants.store import families as store
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByNode, NodeKind
from admit.issuer.revocation.rules import is_public_id
from admit.issuer.revocation.store import logins
from admit.issuer.storage import Bound, Database, Row, Steps

Fits: TypeAlias = Callable[[Family, User | None], None]
"""Whether new tokens can be written of what is known, asked before anything changes: it raises where they cannot."""


def always(family: Family, user: User | None) -> None:
    """Nothing to ask."""


SALT_BYTES = 16
NOTED_EVERY = 60.0  # seconds: how exactly the use of a token that does not rotate is noted
LIST_AT_MOST = 500


def open_family(
    lists: Lists, config: GrantsConfig, authorization: Authorization, *, jkt: str | None, now: float
) -> Steps[Family | None]:
    """A grant's node and family; the oldest of its session and client end when there are too many.

    None: the session ended, or the user or client was disabled.
    """
    offline = authorization.offline
    yield store.ONE_AT_A_TIME(key=_lock_key(authorization))
    if offline and not (yield from _may_outlive(authorization, now)):
        return None
    opened = yield from revocation.open_node(
        kind=NodeKind.OFFLINE if offline else NodeKind.ONLINE,
        parent_id=None if offline else authorization.session_id,
        user_id=authorization.user_id,
        client_id=authorization.client_id,
        expires_at=now + config.refresh_absolute.total_seconds(),
        now=now,
    )
    if opened is None:
        return None
    family = family_for(
        authorization, id=opened.id, idx=opened.idx, expires_at=opened.expires_at, jkt=jkt, now=now
    )
    yield store.INSERT(**store.parameters(family))
    yield from _end_surplus(lists, config, authorization, now=now)
    return family


def family_for(
    authorization: Authorization, *, id: str, idx: int, expires_at: float, jkt: str | None, now: float
) -> Family:
    """The family of what was allowed, before anything is got for it."""
    return Family(
        id=id,
        idx=idx,
        client_id=authorization.client_id,
        user_id=authorization.user_id,
        session_id=authorization.session_id,
        scope=authorization.scope,
        audience=authorization.audience,
        auth_time=authorization.auth_time,
        acr=authorization.acr,
        amr=authorization.amr,
        created_at=now,
        expires_at=expires_at,
        generation=0,
        rotated_at=now,
        used_at=now,
        offline=authorization.offline,
        salt=secrets.token_bytes(SALT_BYTES),
        jkt=jkt,
        claims=authorization.claims,
    )


def _may_outlive(authorization: Authorization, now: float) -> Steps[bool]:
    """An offline grant does not hang from its session, but a code is worth nothing after logout all the same.

    The user is held before the session is looked at: an end of all that the user has is either seen here, or sees the
    grant. Looked at first, the session would still seem alive while such an end waits for its COMMIT.
    """
    if not (yield from revocation.share_user(authorization.user_id)):
        return False
    return bool((yield revocation.SELECT_NODE(node_id=authorization.session_id, now=now)))


def _lock_key(authorization: Authorization) -> int:
    name = f"{authorization.session_id}\0{authorization.client_id}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)


def _end_surplus(
    lists: Lists, config: GrantsConfig, authorization: Authorization, *, now: float
) -> Steps[None]:
    session_id, client_id = authorization.session_id, authorization.client_id
    rows = yield store.SURPLUS(session_id=session_id, client_id=client_id, keep=config.live_grants, now=now)
    for row in rows:
        ended = yield from revocation.end(lists, ByNode(row["node_id"]), reason="too many grants", now=now)
        yield record(
            AuditEvent.GRANT_ENDED,
            now=now,
            user_id=row["user_id"],
            client_id=client_id,
            session_id=session_id,
            detail={"reason": "too many grants", "grant": row["node_id"], "ended": ended},
        )


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
            yield _note(AuditEvent.REFRESH_REUSED, stored, Outcome.REFUSED, info=info, now=now)
            return Refused(reason)
        case rules.Keep() if not rotates:
            yield store.NOTE_USE(family=stored.id, before=now - NOTED_EVERY, now=now)
    # Sessions before nodes, as those that end idle ones lock them.
    if (session_id := used_session(stored)) is not None:
        yield store.SEE_SESSION(session_id=session_id, before=now - seen_every.total_seconds(), now=now)
    if (yield from revocation.lock_node(stored.id, now)) is None:
        yield _refused(stored, Refusal.ENDED, client_id=client_id, info=info, now=now)
        return Refused(Refusal.ENDED)
    yield _note(AuditEvent.TOKEN_REFRESHED, stored, Outcome.DONE, info=info, now=now)
    return Refreshed(family=stored, refresh_token=keys.write(stored, stored.generation), user=user)


def _refused(family: Family, reason: Refusal, *, client_id: str, info: RequestInfo, now: float) -> Bound:
    """The record of a genuine token that was worth nothing."""
    event = AuditEvent.REFRESH_AHEAD if reason is Refusal.AHEAD else AuditEvent.TOKEN_REFUSED
    more: dict[str, Detail] = {"reason": reason.value}
    if client_id != family.client_id:
        more["presented_by"] = client_id
    return _note(event, family, Outcome.REFUSED, more, info=info, now=now)


def _note(
    event: AuditEvent,
    family: Family,
    outcome: Outcome,
    more: Mapping[str, Detail] | None = None,
    *,
    info: RequestInfo,
    now: float,
) -> Bound:
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


def revoke(
    lists: Lists, keys: RefreshKeys, token: RefreshToken, *, client_id: str, info: RequestInfo, now: float
) -> Steps[bool]:
    """End the family of a token that we wrote for this client, of whatever generation."""
    stored = yield from load(token.family)
    if stored is None or not keys.is_genuine(token, stored):
        return False
    return (yield from end_for_client(lists, stored.id, client_id=client_id, info=info, now=now))


def end_for_client(
    lists: Lists, family_id: str, *, client_id: str, info: RequestInfo, now: float
) -> Steps[bool]:
    """End the client's own family on its word."""
    stored = yield from load(family_id)
    if stored is None or not is_its_own(stored, client_id):
        return False
    if not (yield from revocation.end(lists, ByNode(stored.id), reason="revoked by its client", now=now)):
        return False
    yield _note(AuditEvent.TOKEN_REVOKED, stored, Outcome.DONE, info=info, now=now)
    return True


def is_its_own(stored: Family, client_id: str) -> bool:
    """Whether the family was granted to this client, RFC 7009 §2.1."""
    return stored.client_id == client_id


class Families:
    """Grants and their refresh tokens. No token is stored, nor its hash."""

    def __init__(self, db: Database, lists: Lists, config: GrantsConfig | None = None) -> None:
        self._db = db
        self._lists = lists
        self._config = config or GrantsConfig()
        self._keys = RefreshKeys(db.keyring)

    async def refresh(
        self,
        token: str,
        *,
        client_id: str,
        rotates: bool,
        info: RequestInfo,
        now: float,
        jkt: str | None = None,
        seen_every: timedelta = timedelta(minutes=1),
        fits: Fits = always,
    ) -> Refreshed | Refused:
        """What a refresh token of this authenticated client is worth. `rotates`: it is replaced at each use, as those
        of a public client without a key are. Refused is `invalid_grant`. The session that the family hangs from is
        noted as used, unless that was noted within `seen_every`. What `fits` raises is raised, and nothing was done.
        """
        parsed = refresh_token.parse(token)
        if parsed is None:
            return Refused(Refusal.FORGED)
        if rotates and self._db.dialect == "postgresql":
            # A hot path: two round trips to the server instead of seven.
            done = await self._at_once(
                parsed, client_id=client_id, jkt=jkt, seen_every=seen_every, info=info, now=now, fits=fits
            )
            if done is not None:
                return done
        return await self._db.run(
            refresh,
            self._lists,
            self._keys,
            self._config,
            parsed,
            client_id=client_id,
            rotates=rotates,
            jkt=jkt,
            seen_every=seen_every,
            info=info,
            now=now,
            fits=fits,
        )

    async def _at_once(
        self,
        token: RefreshToken,
        *,
        client_id: str,
        jkt: str | None,
        seen_every: timedelta,
        info: RequestInfo,
        now: float,
        fits: Fits,
    ) -> Refreshed | None:
        """The rotation of a token that nothing is wrong with, in one statement. None: the transaction decides, from
        the beginning.
        """
        found = await self.get_of_user(token.family)
        stored, user = found if found is not None else (None, None)
        decision = judge(
            self._keys, self._config, token, stored, client_id=client_id, rotates=True, jkt=jkt, now=now
        )
        if stored is None or not isinstance(decision, rules.Rotate):
            return None
        fits(stored, user)
        after = rotated(stored, now)
        told = _note(AuditEvent.TOKEN_REFRESHED, after, Outcome.DONE, info=info, now=now)
        try:
            rows = await self._db.write(
                store.ROTATE_AND_TELL(
                    family=stored.id,
                    after=decision.after,
                    of_client=client_id,
                    of_session=used_session(stored),
                    before=now - seen_every.total_seconds(),
                    now=now,
                    **told.params,
                )
            )
        except StorageUnavailableError:
            if not self._config.refresh_grace:
                raise  # it may have been done, and would look like a second use
            return None  # if it was done, the transaction takes it for a reply that was lost
        if not rows:
            return None
        return Refreshed(family=after, refresh_token=self._keys.write(after, after.generation), user=user)

    async def revoke(self, token: str, *, client_id: str, info: RequestInfo, now: float) -> bool:
        """End the family of a refresh token, RFC 7009 §2.1. False: no live family of this client's."""
        parsed = refresh_token.parse(token)
        if parsed is None:
            return False
        return await self._db.run(
            revoke, self._lists, self._keys, parsed, client_id=client_id, info=info, now=now
        )

    async def revoke_family(self, family_id: str, *, client_id: str, info: RequestInfo, now: float) -> bool:
        """End the family of an access token that this client showed. False: not its own, or over."""
        return await self._db.run(
            end_for_client, self._lists, family_id, client_id=client_id, info=info, now=now
        )

    async def get(self, family_id: str) -> Family | None:
        """A family by its id, ended or not."""
        row = await self._db.one(store.FIND(family=family_id)) if is_public_id(family_id) else None
        return None if row is None else store.family_of(row)

    async def get_of_user(self, family_id: str) -> OfUser | None:
        """The same with whose it is, in one read."""
        row = await self._db.one(store.FIND_OF_USER(family=family_id)) if is_public_id(family_id) else None
        return None if row is None else store.of_user(row)

    async def at_of_user(self, idx: int) -> OfUser | None:
        """The family with this index, ended or not, with whose it is."""
        row = await self._db.one(store.AT_OF_USER(idx=idx))
        return None if row is None else store.of_user(row)

    async def at(self, idx: int) -> Family | None:
        """The family with this index, ended or not."""
        row = await self._db.one(store.AT(idx=idx))
        return None if row is None else store.family_of(row)

    async def shown(self, token: str, *, client_id: str, rotates: bool, now: float) -> Family | None:
        """The family of a refresh token that would be taken from this client now; nothing is used up by asking."""
        parsed = refresh_token.parse(token)
        stored = await self.get(parsed.family) if parsed is not None else None
        if parsed is None or stored is None:
            return None
        decision = judge(
            self._keys, self._config, parsed, stored,
            client_id=client_id, rotates=rotates, jkt=stored.jkt, now=now,
        )  # fmt: skip
        return stored if isinstance(decision, rules.Rotate | rules.Keep) else None

    def good_until(self, family: Family) -> float:
        """When its refresh tokens are worth nothing any more, if none is used before."""
        return min(family.expires_at, family.used_at + idle_limit(family, self._config).total_seconds())

    async def of_client(self, client_id: str, now: float, *, limit: int = LIST_AT_MOST) -> list[Family]:
        """The live grants of a client, the newest first."""
        return self._used(
            await self._db.read(store.OF_CLIENT(client_id=client_id, now=now, count=limit)), now
        )

    def _used(self, rows: Sequence[Row], now: float) -> "list[Family]":
        """Those that are not idle: the refresh tokens of the others are worth nothing any more."""
        families = map(store.family_of, rows)
        return [one for one in families if now - one.used_at < idle_limit(one, self._config).total_seconds()]

    async def list(self, user_id: str, now: float) -> list[Family]:
        """The live grants of a user, the newest first."""
        return self._used(
            await self._db.read(store.OF_USER(user_id=user_id, now=now, count=LIST_AT_MOST)), now
        )

    async def end(self, family_id: str, *, user_id: str, reason: str, info: RequestInfo, now: float) -> bool:
        """End a grant of this user's. False: not this user's, or over."""
        if not is_public_id(family_id):
            return False
        return await self._db.run(
            ends.end, self._lists, family_id, user_id, reason=reason, info=info, now=now
        )

    async def end_whosever(self, family_id: str, *, reason: str, info: RequestInfo, now: float) -> bool:
        """End a grant whoever's it is. For operators: `info.actor` says who. False: none, or over."""
        if not is_public_id(family_id):
            return False
        return await self._db.run(
            ends.end_whosever, self._lists, family_id, reason=reason, info=info, now=now
        )

    async def end_of_user_and_client(
        self, user_id: str, client_id: str, *, reason: str, info: RequestInfo, now: float
    ) -> int:
        """End every grant that this user gave this client; how many."""
        return await self._db.run(
            ends.end_of_user_and_client, self._lists, user_id, client_id, reason=reason, info=info, now=now
        )

    async def end_of_client(self, client_id: str, *, reason: str, info: RequestInfo, now: float) -> int:
        """End every grant of a client and what came from them; how many. The client may be granted new ones."""
        return await self._db.run(
            ends.end_of_client, self._lists, client_id, reason=reason, info=info, now=now
        )
