"""`Sessions`: begin, find, list and end sign-in sessions."""

import asyncio
import secrets
from contextlib import suppress

from admit.errors import SessionError, UnavailableError
from admit.issuer.accounts.records import User
from admit.issuer.audit import AuditEvent, RequestInfo
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.rules import is_public_id
from admit.issuer.sessions import rules, store, transactions
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.records import Ended, NewSession, Session, SessionEntry
from admit.issuer.storage import Database, bound_once

SWEEP_AT_ONCE = 200
LIST_AT_MOST = 200
KEPT_AFTER_END = 86_400.0  # seconds; the audit tells the rest


def new_raw_id() -> bytes:
    """256 bits from the system's generator; only its SHA-256 is ever stored."""
    return secrets.token_bytes(rules.RAW_BYTES)


class Sessions:
    """Sign-in sessions. `find` is the hot path: one statement, and no wait for anything that it writes."""

    def __init__(self, db: Database, lists: Lists, config: SessionConfig | None = None) -> None:
        self._db = db
        self._lists = lists
        self.config = config or SessionConfig()
        self._noting: dict[str, asyncio.Task[None]] = {}

    async def start(
        self,
        user: User,
        *,
        auth_time: float,
        acr: str,
        amr: tuple[str, ...],
        info: RequestInfo,
        now: float,
        replace: bytes | None = None,
    ) -> NewSession:
        """Begin a session under a new id. `replace` is the raw id the browser came with: that session is ended.

        Raises:
            SessionError: the user was disabled, or the password changed, meanwhile.
        """
        raw = new_raw_id()
        session = await self._db.run(
            transactions.start,
            self._lists,
            self.config,
            user,
            id_hash=rules.hash_id(raw),
            replaces=None if replace is None else rules.hash_id(replace),
            auth_time=auth_time,
            acr=acr,
            amr=amr,
            info=info,
            now=now,
        )
        if session is None:
            raise SessionError("the user was disabled while signing in")
        return NewSession(raw=raw, session=session)

    async def renew(
        self, raw: bytes, *, user_id: str, acr: str, amr: tuple[str, ...], info: RequestInfo, now: float
    ) -> NewSession:
        """Give a live session a new id, since its user just proved who it is once more. Its grants live on, its
        absolute end stays.

        Raises:
            SessionError: it is over, another user's, or was renewed by somebody else meanwhile.
        """
        old_hash, new_raw = rules.hash_id(raw), new_raw_id()
        if await self.find(old_hash, now) is not None:
            session = await self._db.run(
                transactions.renew,
                self.config,
                user_id,
                old_hash=old_hash,
                new_hash=rules.hash_id(new_raw),
                acr=acr,
                amr=amr,
                info=info,
                now=now,
            )
            if session is not None:
                return NewSession(raw=new_raw, session=session)
        raise SessionError("there is no such session to renew")

    async def find(self, id_hash: bytes, now: float) -> Session | None:
        """The live session with this id's SHA-256. Its use is noted in the background, at most once a minute."""
        rows = await self._db.read(store.FIND(id_hash=id_hash))
        if not rows:
            return None
        session, ended_at = store.session_of(rows[0], self.config)
        if not rules.is_live(
            ended_at=ended_at,
            disabled_at=session.user.disabled_at,
            expires_at=session.expires_at,
            now=now,
        ):
            return None
        if rules.wants_touch(last_seen_at=session.last_seen_at, now=now, every=self.config.seen_every):
            self._note(session.id, now)
        return session

    def _note(self, session_id: str, now: float) -> None:
        if session_id not in self._noting:
            task = asyncio.get_running_loop().create_task(self._touch_quietly(session_id, now))
            self._noting[session_id] = task
            task.add_done_callback(lambda _: self._noting.pop(session_id, None))

    async def _touch_quietly(self, session_id: str, now: float) -> None:
        with suppress(UnavailableError):  # the next use notes it
            await self.touch(session_id, now)

    async def touch(self, session_id: str, now: float) -> None:
        """Note that a session was used, unless that was noted within `seen_every`. A refresh of a grant that hangs
        from it is such a use.
        """
        before = now - self.config.seen_every.total_seconds()
        await self._db.run(bound_once, store.TOUCH(session_id=session_id, before=before, now=now))

    async def settle(self) -> None:
        """Wait until all use that was seen is noted: before the database is closed."""
        while self._noting:
            await asyncio.gather(*self._noting.values(), return_exceptions=True)

    async def list(self, user_id: str, now: float) -> list[SessionEntry]:
        """The user's live sessions, the one used last first."""
        idle_before = now - self.config.idle.total_seconds()
        bound = store.OF_USER(user_id=user_id, now=now, idle_before=idle_before, count=LIST_AT_MOST)
        return [store.entry_of(row, self.config) for row in await self._db.read(bound)]

    async def end(
        self,
        session_id: str,
        *,
        user_id: str,
        reason: str,
        info: RequestInfo,
        now: float,
        event: AuditEvent = AuditEvent.SESSION_ENDED,
    ) -> bool:
        """End a session of this user's by its public id, and every grant under it. False: not this user's, or over."""
        if not is_public_id(session_id):
            return False
        return await self._db.run(
            transactions.end, self._lists, session_id, user_id, event=event, reason=reason, info=info, now=now
        )

    async def end_whosever(self, session_id: str, *, reason: str, info: RequestInfo, now: float) -> bool:
        """End a session whoever's it is. For operators: `info.actor` says who. False: no such session, or over."""
        if not is_public_id(session_id):
            return False
        return await self._db.run(
            transactions.end_whosever, self._lists, session_id, reason=reason, info=info, now=now
        )

    async def end_all(
        self, user_id: str, *, reason: str, info: RequestInfo, now: float, keep: str | None = None
    ) -> Ended:
        """End every session of this user's but the one with the public id `keep`. Offline grants live on."""
        return await self._db.run(
            transactions.end_all,
            self._lists,
            user_id,
            offline=False,
            keep=keep,
            reason=reason,
            info=info,
            now=now,
        )

    async def end_everything(self, user_id: str, *, reason: str, info: RequestInfo, now: float) -> Ended:
        """End every session and every grant of this user's, those included that outlive sessions."""
        return await self._db.run(
            transactions.end_all,
            self._lists,
            user_id,
            offline=True,
            keep=None,
            reason=reason,
            info=info,
            now=now,
        )

    async def sweep(self, now: float) -> int:
        """End what was idle too long, delete what ended long ago; how many were ended. Call it again when that is
        SWEEP_AT_ONCE.
        """
        ended = await self._db.run(
            transactions.end_idle, self._lists, self.config, now=now, count=SWEEP_AT_ONCE
        )
        await self._db.run(bound_once, store.FORGET(before=now - KEPT_AFTER_END))
        return ended
