"""`Codes`: authorization codes, issued and redeemed, RFC 6749 §4.1.2, §4.1.3."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import wraps
from typing import Final, TypeAlias

from admit.errors import StorageUnavailableError
from admit.issuer.accounts.records import User
from admit.issuer.accounts.store import USER_BY_ID, user_of
from admit.issuer.audit import AuditEvent, Outcome, RequestInfo, record
from admit.issuer.audit.rules import Detail
from admit.issuer.grants import interactions, pushed, rules
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.errors import ReusedChallengeError, ReusedNonceError
from admit.issuer.grants.keys import RefreshKeys
from admit.issuer.grants.opening import family_for, open_family
from admit.issuer.grants.records import (
    Authorization,
    Family,
    PresentedCode,
    Redeemed,
    Refusal,
    Refused,
    StoredCode,
)
from admit.issuer.grants.store import codes as store
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByNode
from admit.issuer.revocation.store import logins
from admit.issuer.storage import Bound, Database, Steps, bound_once

Along: TypeAlias = Callable[[], Steps[bool]]
"""What is written along with a code, in its transaction. False: what it rests on is gone, and it is not issued."""

Told: TypeAlias = Callable[[], Steps[None]]
"""What is said of a code's grant to somebody, in its transaction."""


Fits: TypeAlias = Callable[[Authorization, Family, User | None], None]
"""Whether tokens can be written of what is known: it raises where they cannot."""


def always(authorization: Authorization, family: Family, user: User | None) -> None:
    """Nothing to ask."""


def nothing() -> Steps[bool]:
    """Nothing more."""
    yield from ()
    return True


LONGEST: Final = timedelta(minutes=10)
"""RFC 6749 §4.1.2."""


def new_code() -> str:
    """256 bits from the system's generator, RFC 6749 §10.10."""
    return secrets.token_urlsafe(32)


def hash_code(code: str) -> bytes:
    """What is stored of a code: SHA-256, enough for 256 random bits."""
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()


def _note(
    event: AuditEvent,
    authorization: Authorization,
    detail: Mapping[str, Detail],
    *,
    info: RequestInfo,
    now: float,
) -> Bound:
    refused = event in (AuditEvent.CODE_REUSED, AuditEvent.TOKEN_REFUSED)
    return record(
        event,
        outcome=Outcome.REFUSED if refused else Outcome.DONE,
        info=info,
        now=now,
        user_id=authorization.user_id,
        client_id=authorization.client_id,
        session_id=authorization.session_id,
        detail=detail,
    )


def issue(
    authorization: Authorization,
    *,
    code_hash: bytes,
    expires_at: float,
    interaction: tuple[str, bytes] | None,
    reference: bytes | None,
    consented: bool,
    info: RequestInfo,
    now: float,
    along: Along = nothing,
    told: Told | None = None,
    strict: bool = False,
) -> Steps[bool]:
    """A code, the end of the interaction that led to it, and of what it was pushed under. False: that was not open, or
    `along` was false. `told` comes last.

    Raises:
        ReusedChallengeError: with `strict`, a `code_challenge` or `nonce` that this client had a code for before.
    """
    if interaction is not None and not (yield interactions.finish(*interaction, now)):
        return False
    if not (yield from pushed.spend(reference, now)):
        return False
    if not (yield from along()):
        return False
    yield from notice_reuse(authorization, strict=strict, info=info, now=now)
    yield store.INSERT(
        code_hash=code_hash, created_at=now, expires_at=expires_at, **store.parameters(authorization)
    )
    if consented:
        detail: dict[str, Detail] = {"scope": " ".join(sorted(authorization.scope))}
        yield _note(AuditEvent.CONSENT_GIVEN, authorization, detail, info=info, now=now)
    yield _note(AuditEvent.CODE_ISSUED, authorization, {}, info=info, now=now)
    if told is not None:
        yield from told()
    return True


def notice_reuse(authorization: Authorization, *, strict: bool, info: RequestInfo, now: float) -> Steps[None]:
    """A challenge that a client sends twice shows a verifier that is made once for all: who has seen one has all. With
    a nonce it is the same: an ID token of another sign-in passes for this one's. A person who goes back and asks once
    more sends the same ones too, so it is told, and refused only by a setting.

    Raises:
        ReusedChallengeError: one of them was seen, with `strict`.
    """
    challenge, nonce = authorization.code_challenge, authorization.nonce
    if challenge is None and nonce is None:
        return
    rows = yield store.SENT_BEFORE(of_client=authorization.client_id, challenge=challenge, nonce=nonce)
    reused = rules.sent_again(challenge=bool(rows[0]["challenge"]), nonce=bool(rows[0]["nonce"]))
    if reused is None:
        return
    if strict:
        raise ReusedNonceError(reused) if reused == "nonce" else ReusedChallengeError(reused)
    yield _note(event_of(reused), authorization, {}, info=info, now=now)


def event_of(reused: str) -> AuditEvent:
    """What is told of what was sent again."""
    return AuditEvent.NONCE_REUSED if reused == "nonce" else AuditEvent.PKCE_REUSED


def load(code_hash: bytes) -> Steps[StoredCode | None]:
    """The code as it is stored."""
    rows = yield store.FIND(code_hash=code_hash)
    return store.stored_code_of(rows[0]) if rows else None


def spend(code_hash: bytes, now: float) -> Steps[bool]:
    """Spend a code in one statement that only one caller wins."""
    return bool((yield store.SPEND(of_code=code_hash, now=now)))


def of_who_is_here(user_id: str, info: RequestInfo) -> Steps[RequestInfo]:
    """Where a request came from, unless it is about somebody who was removed: nobody remembers that of them."""
    return info if (yield USER_BY_ID(user_id=user_id)) else info.without_place()


def redeem(
    lists: Lists,
    keys: RefreshKeys,
    config: GrantsConfig,
    presented: PresentedCode,
    *,
    code_hash: bytes,
    refresh: bool,
    jkt: str | None,
    tell_end: bool = False,
    info: RequestInfo,
    now: float,
    fits: Fits = always,
) -> Steps[Redeemed | Refused]:
    """Spend a code and open its grant in one transaction; or burn it, or end what it paid out before. What `fits`
    raises takes all of it back.
    """
    stored = yield from load(code_hash)
    decision = rules.judge_code(presented, stored, now=now)
    if isinstance(decision, rules.Spend | rules.Burn) and not (yield from spend(code_hash, now)):
        # Somebody was first, and by now it can be seen what came of it.
        stored = yield from load(code_hash)
        decision = rules.judge_code(presented, stored, now=now)
        if isinstance(decision, rules.Spend | rules.Burn):
            decision = rules.Refuse(Refusal.REUSED)
    if stored is None:
        return Refused(Refusal.UNKNOWN)
    if not isinstance(decision, rules.Spend):
        info = yield from of_who_is_here(stored.authorization.user_id, info)
    match decision:
        case rules.Spend():
            return (
                yield from _pay_out(
                    lists,
                    keys,
                    config,
                    stored,
                    code_hash=code_hash,
                    refresh=refresh,
                    jkt=jkt,
                    tell_end=tell_end,
                    info=info,
                    now=now,
                    fits=fits,
                )
            )
        case rules.EndFamily(family, reason):
            ended = yield from revocation.end(lists, ByNode(family), reason="code reused", now=now)
            yield logins.over_in(
                stored.authorization.user_id,
                stored.authorization.client_id,
                session_id=stored.authorization.session_id,
                now=now,
            )
            detail: dict[str, Detail] = {"ended": ended}
            event = AuditEvent.CODE_REUSED
        case rules.Burn(reason) | rules.Refuse(reason):
            detail, event = {}, AuditEvent.TOKEN_REFUSED
    detail["reason"] = reason.value
    if not rules.belongs_to_client(stored, presented):
        detail["presented_by"] = presented.client_id
    yield _note(event, stored.authorization, detail, info=info, now=now)
    return Refused(reason)


def _pay_out(
    lists: Lists,
    keys: RefreshKeys,
    config: GrantsConfig,
    stored: StoredCode,
    *,
    code_hash: bytes,
    refresh: bool,
    jkt: str | None,
    tell_end: bool,
    info: RequestInfo,
    now: float,
    fits: Fits,
) -> Steps[Redeemed | Refused]:
    authorization = stored.authorization
    family = yield from open_family(lists, config, authorization, jkt=jkt, now=now)
    if family is None:
        reason = Refusal.PARENT_ENDED
        info = yield from of_who_is_here(authorization.user_id, info)
        yield _note(AuditEvent.TOKEN_REFUSED, authorization, {"reason": reason.value}, info=info, now=now)
        return Refused(reason)
    rows = yield USER_BY_ID(user_id=authorization.user_id)
    user = user_of(rows[0]) if rows else None
    fits(authorization, family, user)
    yield store.SET_GRANT(of_code=code_hash, family=family.id)
    if tell_end:
        yield logins.note(
            secrets.token_hex(16),
            session_id=authorization.session_id,
            client_id=authorization.client_id,
            user_id=authorization.user_id,
        )
    yield _note(AuditEvent.TOKEN_ISSUED, authorization, {"grant": family.id}, info=info, now=now)
    token = keys.write(family, family.generation) if refresh else None
    return Redeemed(authorization=authorization, family=family, refresh_token=token, user=user)


class Codes:
    """Issues authorization codes and turns them into grants. Only a code's SHA-256 is stored."""

    def __init__(self, db: Database, lists: Lists, config: GrantsConfig | None = None) -> None:
        self._db = db
        self._lists = lists
        self._config = config or GrantsConfig()
        self._keys = RefreshKeys(db.keyring)

    async def issue(
        self,
        authorization: Authorization,
        *,
        info: RequestInfo,
        now: float,
        interaction: tuple[str, bytes] | None = None,
        reference: bytes | None = None,
        longest: timedelta = LONGEST,
        consented: bool = False,
        along: Along | None = None,
        told: Told | None = None,
    ) -> str | None:
        """A code for what a person allowed. With `interaction`, a handle and its browser's secret, that one is finished
        in the same transaction, and None comes back when it was not open. `consented`: the person was asked and said
        yes just now, which is told too. `reference` is spent as well: what
        the request was pushed under. `longest`: how long the code lives at most. `along` is written in
        the same transaction; where it is false None comes back. So is `told`, after all else.

        Raises:
            ReusedChallengeError: this client sent this `code_challenge` or `nonce` before, and settings refuse that.
        """
        code = new_code()
        issued = await self._db.run(
            issue,
            authorization,
            code_hash=hash_code(code),
            expires_at=now + self.lifetime(longest).total_seconds(),
            interaction=interaction,
            reference=reference,
            consented=consented,
            info=info,
            now=now,
            along=along or nothing,
            told=told,
            strict=self._config.refuse_reused_challenges,
        )
        return code if issued else None

    def issuing(
        self,
        code: str,
        authorization: Authorization,
        *,
        info: RequestInfo,
        now: float,
        longest: timedelta = LONGEST,
    ) -> Steps[bool]:
        """What `issue` does, with a code of `new_code`, for the transaction of the session that it hangs from."""
        return issue(
            authorization,
            code_hash=hash_code(code),
            expires_at=now + self.lifetime(longest).total_seconds(),
            interaction=None,
            reference=None,
            consented=False,
            info=info,
            now=now,
            strict=self._config.refuse_reused_challenges,
        )

    def lifetime(self, longest: timedelta = LONGEST) -> timedelta:
        """How long a code may be redeemed, `longest` at most."""
        return min(self._config.code_lifetime, longest)

    async def would_open(
        self, code: str, presented: PresentedCode, *, now: float
    ) -> tuple[Authorization, Family] | None:
        """What `redeem` would open now, but for its place and life, to be looked at before the code is spent. None: it
        would refuse.
        """
        row = await self._db.one(store.FIND(code_hash=hash_code(code)))
        stored = store.stored_code_of(row) if row is not None else None
        if stored is None or not isinstance(rules.judge_code(presented, stored, now=now), rules.Spend):
            return None
        authorization = stored.authorization
        return authorization, family_for(authorization, id="", idx=0, expires_at=now, jkt=None, now=now)

    async def redeem(
        self,
        code: str,
        presented: PresentedCode,
        *,
        refresh: bool,
        info: RequestInfo,
        now: float,
        jkt: str | None = None,
        tell_end: bool = False,
        fits: Fits = always,
    ) -> Redeemed | Refused:
        """Turn a code into a grant, once. `refresh`: the client may have refresh tokens. `jkt`: the thumbprint of the
        DPoP key that they are to be bound to. `tell_end`: it is to be told when the session is over. Refused is
        `invalid_grant`; a second use ends the family of the first. What `fits` raises is raised, and nothing was done.
        """
        made: list[Redeemed] = []

        @wraps(redeem)  # who ends a node in the midst of a transaction knows it by its name
        def attempt() -> Steps[Redeemed | Refused]:
            done = yield from redeem(
                self._lists, self._keys, self._config, presented, code_hash=hash_code(code), refresh=refresh,
                jkt=jkt, tell_end=tell_end, info=info, now=now, fits=fits,
            )  # fmt: skip
            if isinstance(done, Redeemed):
                made.append(done)
            return done

        try:
            return await self._db.run(attempt)
        except StorageUnavailableError:
            if made and await self._was_done(hash_code(code), made[-1]):
                return made[-1]
            raise

    async def _was_done(self, code_hash: bytes, made: Redeemed) -> bool:
        """Whether a code was spent for this grant though nobody could say so: a client that is told to come again would
        look like one that repeats a code, and lose its grant. A COMMIT that is still under way is waited for.
        """
        try:
            rows = await self._db.run(bound_once, store.GRANT_OF(of_code=code_hash))
        except StorageUnavailableError:
            return False
        return bool(rows) and rows[0]["grant_id"] == made.family.id
