"""`Sessions`: begin, find, list and end sign-in sessions."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial

from admit.errors import SessionError, UnavailableError
from admit.issuer.accounts.records import User
from admit.issuer.audit import AuditEvent, RequestInfo
from admit.issuer.outbox import NO_MAIL, Outbox
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.rules import is_public_id
from admit.issuer.sessions import password, rules, store, transactions
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.finding import Finder
from admit.issuer.sessions.records import Ended, NewSession, Session, SessionEntry
from admit.issuer.sessions.transactions import Along, alone
from admit.issuer.storage import Bound, Database, EndListener, Row
from admit.issuer.storage.pace import Pace
from admit.issuer.storage.portions import portion
from admit.issuer.throttle import bucket, take

HOUR = timedelta(hours=1)
SWEEP_AT_ONCE = 50  # in one transaction
LIST_AT_MOST = 200
KEPT_AFTER_END = 86_400.0  # seconds; the audit tells the rest


def new_raw_id() -> bytes:
    """256 bits from the system's generator; only its SHA-256 is ever stored."""
    return secrets.token_bytes(rules.RAW_BYTES)


def _hashes_at(indices: Sequence[int]) -> Bound:
    return store.HASHES_AT(indices=indices)


def anybody(session: Session) -> bool:
    """Every live session is one."""
    return True


class Sessions:
    """Sign-in sessions. `find` is the hot path: one statement, and no wait for anything that it writes."""

    def __init__(
        self,
        db: Database,
        lists: Lists,
        config: SessionConfig | None = None,
        finder: Finder | None = None,
        outbox: Outbox = NO_MAIL,
        admits: Callable[[Session], bool] = anybody,
        standing: Callable[[User], Awaitable[User | None]] | None = None,
    ) -> None:
        """`standing`: asks who keeps a user's account whether there still is one; the user as it says. None: the row
        that is read says it all.
        """
        self._db = db
        self._admits = admits
        self._standing = standing
        self._lists = lists
        self._finder = finder or Finder(db)
        self._outbox = outbox
        self.config = config or SessionConfig()
        self._limits = rules.limits(self.config)
        self._noting: dict[str, asyncio.Task[None]] = {}
        if self._finder.copies is not None:
            # Whatever ends a session, from wherever: no node takes it at the next request (contracts §4).
            db.on_ended(EndListener(look=_hashes_at, tell=self._bury_ended))

    @property
    def home(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that the database lives in; None before it is opened."""
        return self._db.home

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
        familiar: bool | None = None,
        along: Along = alone,
    ) -> NewSession:
        """Begin a session under a new id. `replace` is the raw id the browser came with: that session is ended.

        `familiar`: whether the browser is known to be this user's; None: told by the sign-ins before. The user is told
        of a sign-in on one that is not, by mail and on the account page. Of more than `per_user` sessions the one used
        longest ago is ended. `along` is written in the same transaction.

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
            familiar=familiar,
            outbox=self._outbox,
            along=along,
        )
        if session is None:
            raise SessionError("the user was disabled while signing in")
        return NewSession(raw=raw, session=session)

    async def renew(
        self,
        raw: bytes,
        *,
        user: User,
        acr: str,
        amr: tuple[str, ...],
        info: RequestInfo,
        now: float,
        along: Along = alone,
    ) -> NewSession:
        """Give a live session a new id, since its user just proved who it is once more. Its grants live on, its
        absolute end stays. `user` is as when the proof was taken; `along` is written in the same transaction.

        Raises:
            SessionError: it is over, another user's, or was renewed by somebody else meanwhile; the credentials were
            changed since the proof; or its old id would be found in a copy for a while.
        """
        old_hash, new_raw = rules.hash_id(raw), new_raw_id()
        if await self.find(old_hash, now) is not None and await self._bury(old_hash):
            session = await self._db.run(
                transactions.renew,
                self.config,
                user,
                old_hash=old_hash,
                new_hash=rules.hash_id(new_raw),
                acr=acr,
                amr=amr,
                info=info,
                now=now,
                along=along,
            )
            if session is not None:
                return NewSession(raw=new_raw, session=session)
        raise SessionError("there is no such session to renew")

    async def change_password(
        self, raw: bytes, session: Session, user: User, password_hash: str, *, info: RequestInfo, now: float
    ) -> NewSession:
        """Set a new password in a live session, which goes on under a new id; all else of the user's ends, offline
        grants too. `user` is whom the check of the current password found.

        Raises:
            SessionError: the session is over, or another password was set since that check; nothing is changed.
        """
        old_hash, new_raw = rules.hash_id(raw), new_raw_id()
        if not await self._bury(old_hash):
            raise SessionError("a copy of the old id could not be buried")
        changed = await self._db.run(
            password.change_password,
            self._lists,
            self.config,
            self._outbox,
            user,
            password_hash,
            keep=session.id,
            old_hash=old_hash,
            new_hash=rules.hash_id(new_raw),
            info=info,
            now=now,
        )
        return NewSession(raw=new_raw, session=changed)

    async def find(self, id_hash: bytes, now: float) -> Session | None:
        """The live session with this id's SHA-256. Its use is noted in the background, at most once a minute."""
        session = await self._live(id_hash, now)
        if session is not None and self._standing is not None:
            user = await self._standing(session.user)
            if user is None:
                return None  # the account is gone, and all that it had is ended
            if user != session.user:  # what changed may have ended the session
                session = await self._live(id_hash, now)
        if session is None or not self._admits(session):
            return None  # over, or the settings ask its user for more by now
        if rules.wants_touch(last_seen_at=session.last_seen_at, now=now, every=self.config.seen_every):
            self._note(session.id, id_hash, now)
        return session

    async def find_to_end(self, id_hash: bytes, now: float) -> Session | None:
        """As `find`, for what only ends: nobody else is asked about its user, so that whoever wants to be out is out
        while who keeps the account does not answer.
        """
        session = await self._live(id_hash, now)
        return session if session is not None and self._admits(session) else None

    async def _live(self, id_hash: bytes, now: float) -> Session | None:
        values = await self._finder.values(id_hash, now)
        if values is None:
            return None
        session, ended_at = store.session_from(values, self._limits)
        live = rules.is_live(
            ended_at=ended_at,
            disabled_at=session.user.disabled_at,
            expires_at=session.expires_at,
            now=now,
        )
        return session if live else None

    def _note(self, session_id: str, id_hash: bytes, now: float) -> None:
        if session_id not in self._noting:
            task = asyncio.get_running_loop().create_task(self._touch_quietly(session_id, id_hash, now))
            self._noting[session_id] = task
            task.add_done_callback(lambda _: self._noting.pop(session_id, None))

    async def _touch_quietly(self, session_id: str, id_hash: bytes, now: float) -> None:
        with suppress(UnavailableError):  # the next use notes it
            await self.touch(session_id, now)
            self._finder.drop(id_hash)

    async def _bury(self, id_hash: bytes) -> bool:
        """An id is about to be worth nothing: no copy may say otherwise."""
        return await self._finder.bury(id_hash)

    async def _bury_ended(self, rows: Sequence[Row]) -> None:
        """The same for sessions that were ended a moment ago. Where Redis is away their bits tell."""
        await self._finder.bury_all([row["id_hash"] for row in rows])

    async def touch(self, session_id: str, now: float) -> None:
        """Note that a session was used, unless that was noted within `seen_every`."""
        before = now - self.config.seen_every.total_seconds()
        await self._db.write(store.TOUCH(session_id=session_id, before=before, now=now))

    async def settle(self) -> None:
        """Wait until all use that was seen is noted: before the database is closed."""
        while self._noting:
            await asyncio.gather(*self._noting.values(), return_exceptions=True)

    async def list(self, user_id: str, now: float) -> list[SessionEntry]:
        """The user's live sessions, the one used last first."""
        idle_before = now - self.config.idle.total_seconds()
        bound = store.OF_USER(user_id=user_id, now=now, idle_before=idle_before, count=LIST_AT_MOST)
        entries = [store.entry_of(row, self.config) for row in await self._db.read(bound)]
        return [entry for entry in entries if now < entry.expires_at]

    async def rename(
        self, session_id: str, name: str | None, *, user_id: str, info: RequestInfo, now: float
    ) -> bool:
        """Call a session of this user's by a name; None or blanks for the one that it has by itself. False: not this
        user's, or over.

        Raises:
            SessionNameError: not one line of at most 60 characters.
            ThrottledError: this user named many within the hour.
        """
        named = rules.clean_session_name(name)
        if not is_public_id(session_id):
            return False
        verdict = await self._db.run(
            take,
            bucket=bucket("session-name", user_id),
            limit=self.config.names_per_hour,
            window=HOUR,
            now=now,
        )
        verdict.or_throttled("names of sessions")
        return await self._db.run(transactions.rename, session_id, user_id, named, info=info, now=now)

    async def vouch(
        self, session_id: str, *, witness: str, user_id: str, info: RequestInfo, now: float
    ) -> bool:
        """The user says, in the session `witness`, that a session that began on an unknown browser is theirs. False:
        there is no such session, or the witness began on one itself: whoever signed in there would vouch for
        themselves.
        """
        if not is_public_id(session_id):
            return False
        return await self._db.run(transactions.vouch, session_id, user_id, witness, info=info, now=now)

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
        """End every session and every grant of this user's, those included that outlive sessions, and
        tell the user by mail.
        """
        return await self._db.run(
            transactions.end_all,
            self._lists,
            user_id,
            offline=True,
            keep=None,
            reason=reason,
            info=info,
            now=now,
            outbox=self._outbox,
        )

    async def sweep(self, now: float) -> int:
        """End what was idle too long, delete what ended long ago, some of it at a time; how many were ended."""
        pace, ended = Pace(rows=SWEEP_AT_ONCE, least=1, most=SWEEP_AT_ONCE), 0
        bounds = store.idle_bounds(self.config, now)
        async for ids in store.IDLE_WALK.all(self._db, **bounds):
            while ids:
                some, ids = ids[: pace.rows], ids[pace.rows :]
                job = partial(transactions.end_idle, self._lists, self.config, now=now, ids=some)
                ended += await portion(self._db, pace, len(some), job)
        await store.FORGET.delete_all(self._db, before=now - KEPT_AFTER_END)
        return ended
