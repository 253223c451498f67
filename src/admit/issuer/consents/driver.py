"""`Consents`: what people said yes to."""

import math
from collections.abc import Callable

from admit.issuer.accounts.records import User
from admit.issuer.audit import RequestInfo
from admit.issuer.clients import store as clients
from admit.issuer.clients.records import Client
from admit.issuer.consents import rules, store, transactions
from admit.issuer.consents.records import Answer, Remembered
from admit.issuer.grants.codes import Along, Told
from admit.issuer.grants.ends import of_client_ended
from admit.issuer.outbox import Outbox
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.many import end_most
from admit.issuer.storage import Bound, Database, Steps, bound_once

LIST_AT_MOST = 500
KEPT_AFTER_REMOVAL = 86_400.0  # seconds


class Consents:
    """Remembered consents, and their end."""

    def __init__(self, db: Database, lists: Lists) -> None:
        self._db = db
        self._lists = lists

    async def recall(
        self, user_id: str, client: Client, audience: str, *, redirect_uri: str
    ) -> Remembered | None:
        """What this user answered this client for this audience; None where nothing is remembered of such a client."""
        if not rules.is_remembered(client, redirect_uri):
            return None
        row = await self._db.one(store.FIND(of_user=user_id, of_client=client.id, at=audience))
        return None if row is None else store.remembered_of(row)

    def remembering(
        self, user_id: str, client: Client, audience: str, answer: Answer, *, redirect_uri: str, now: float
    ) -> Along | None:
        """What keeps an answer, for the transaction of its code; None for a client that is asked about each time."""
        if not rules.is_remembered(client, redirect_uri):
            return None
        return lambda: transactions.remember(user_id, client.id, audience, answer, now=now)

    def relying(self, user_id: str, remembered: Remembered) -> Along:
        """What sees, in the transaction of a code, that the yes that it rests on was not taken back meanwhile."""
        return lambda: transactions.still(user_id, remembered)

    def telling(
        self,
        user: User,
        client: Client,
        audience: str,
        granted: frozenset[str],
        before: Remembered | None,
        *,
        outbox: Outbox,
        now: float,
    ) -> Told | None:
        """What tells a user by mail what was granted just now, RFC 6819 §4.4.1.10; None where that is no news."""
        if not rules.is_news(client, granted, before):
            return None
        return lambda: transactions.tell(user, client, audience, granted, outbox=outbox, now=now)

    async def list(self, user_id: str) -> list[Remembered]:
        """All that a user is remembered to have answered, the newest first."""
        rows = await self._db.read(store.OF_USER(of_user=user_id, count=LIST_AT_MOST))
        return [store.remembered_of(row) for row in rows]

    async def take_back(
        self, user_id: str, client_id: str, *, reason: str, info: RequestInfo, now: float
    ) -> bool:
        """Forget what a user said yes to, and end all that the client was granted by them. False: there was nothing."""
        forgotten, ended = await self._db.run(
            transactions.take_back, self._lists, user_id, client_id, reason=reason, info=info, now=now
        )
        return bool(forgotten or ended)

    async def end_of_client(self, client_id: str, *, reason: str, info: RequestInfo, now: float) -> int:
        """End all that anybody granted a client, and ask everybody again; how many grants. Of very many most are ended
        before, some at a time.

        Raises:
            StorageUnavailableError: not all of them are ended, or it is not known; ask again.
        """
        before = await self._end_most(client_id, reason=reason, info=info, now=now)
        return await self._db.run(
            transactions.end_of_client, self._lists, client_id, before=before, reason=reason, info=info,
            now=after(now, before),
        )  # fmt: skip

    async def remove_client(
        self, client_id: str, *, reason: str, info: RequestInfo, now: float
    ) -> int | None:
        """Forget a client of the database, who said yes to it, and all that was granted to it; how many grants. None:
        the database has no such client.
        """
        if not await self._db.read(clients.FIND_MANY(ids=[client_id])):
            return None
        before = await self._end_most(client_id, reason=reason, info=info, now=now)
        return await self._db.run(
            transactions.remove_client, self._lists, client_id, before=before, reason=reason, info=info,
            now=after(now, before),
        )  # fmt: skip

    async def _end_most(
        self,
        client_id: str,
        *,
        reason: str,
        info: RequestInfo,
        now: float,
        allowed: Callable[[], Steps[bool]] | None = None,
    ) -> int:
        def told(ended: int) -> Bound:
            return of_client_ended(client_id, ended, reason=reason, info=info, now=now)

        return await end_most(
            self._db, self._lists, client_id, reason=reason, told=told, now=now, allowed=allowed
        )

    async def remove_registered(
        self, client_id: str, *, presented: bytes, reason: str, info: RequestInfo, now: float
    ) -> int | None:
        """As `remove_client`, on the word of the client itself. None: its registration access token is spent by now;
        of very many grants some were ended while it was good.
        """

        def allowed() -> Steps[bool]:
            return transactions.is_registered(client_id, presented=presented)

        before = await self._end_most(client_id, reason=reason, info=info, now=now, allowed=allowed)
        return await self._db.run(
            transactions.remove_registered, self._lists, client_id, before=before, presented=presented,
            reason=reason, info=info, now=after(now, before),
        )  # fmt: skip

    async def sweep(self, now: float) -> None:
        """Forget what was said to clients that are there no more."""
        await self._db.run(bound_once, store.FORGET_REMOVED(before=now - KEPT_AFTER_REMOVAL))


def after(now: float, ended: int) -> float:
    """The time of the last of several ends: it looks once more only below what was ended at its own."""
    return math.nextafter(now, math.inf) if ended else now
