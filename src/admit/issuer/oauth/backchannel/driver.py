"""`Teller`: sends logout tokens that are due. Any number of them work on one database."""

import asyncio
import logging
import random
import secrets
from collections.abc import Callable
from functools import partial
from typing import Final

from admit.errors import AdmitError
from admit.issuer.audit import AuditEvent, Outcome, record
from admit.issuer.clients.dialling import Dialling
from admit.issuer.clients.driver import Clients
from admit.issuer.clients.records import Client
from admit.issuer.keys import SigningKeys
from admit.issuer.oauth.backchannel import rules
from admit.issuer.oauth.backchannel.records import Notice
from admit.issuer.outbox.rules import pause_before
from admit.issuer.revocation.store import logins
from admit.issuer.storage import Database, Row, Steps, bound_once
from admit.tokens import logout

log = logging.getLogger("admit.issuer.backchannel")

CLIENTS_AT_ONCE: Final = 64
AT_ONCE: Final = 8  # notices of one client on their way
LEASE: Final = 60.0  # seconds that a worker has a notice for itself: many times what one try may take


class Teller:
    """Takes due notices out by one conditional statement, and tells each client its own, beside all others: who is slow
    or down holds nobody else up, and is asked again less and less often.

    A worker that dies leaves its notices to be due again when its lease ends; a client may be told twice. `share` gives
    the spread of the pauses, in 0..1.
    """

    def __init__(
        self,
        db: Database,
        clients: Clients,
        keys: SigningKeys,
        dialling: Dialling,
        *,
        issuer: str,
        clock: Callable[[], float],
        share: Callable[[], float] = random.random,
    ) -> None:
        self._db = db
        self._clients = clients
        self._keys = keys
        self._dialling = dialling
        self._issuer = issuer
        self._clock = clock
        self._share = share
        self._lanes: dict[str, asyncio.Task[int]] = {}

    async def begin(self) -> None:
        """Begin to tell every client for which something is due, and is not being told already. With nothing due it
        costs one read.

        Raises:
            StorageUnavailableError: the database was not reached.
        """
        room = CLIENTS_AT_ONCE - len(self._lanes)
        if room <= 0:
            return
        most = room + len(self._lanes)  # some of those found may be under way
        for row in await self._db.read(logins.WHOSE_DUE(now=self._clock(), most=most)):
            client_id = row["client_id"]
            if client_id not in self._lanes and room > 0:
                room -= 1
                lane = asyncio.create_task(self._tell_client(client_id))
                self._lanes[client_id] = lane
                lane.add_done_callback(partial(self._over, client_id))

    async def turn(self) -> int:
        """Tell all that is due, and wait for it; how many were told."""
        await self.begin()
        return sum(await asyncio.gather(*self._lanes.values()))

    async def stop(self) -> None:
        """Leave what is under way: it comes back by itself, here or elsewhere."""
        lanes = list(self._lanes.values())
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)

    def _over(self, client_id: str, lane: asyncio.Task[int]) -> None:
        self._lanes.pop(client_id, None)
        if not lane.cancelled() and (error := lane.exception()) is not None:
            code = error.code if isinstance(error, AdmitError) else type(error).__name__
            log.warning("logouts not told", extra={"job": "backchannel", "code": code, "detail": client_id})

    async def _tell_client(self, client_id: str) -> int:
        """Tell one client what is due for it, until it fails or all is told; how many were told."""
        told = 0
        while True:
            now = self._clock()
            claim = logins.CLAIM(of_client=client_id, now=now, until=now + LEASE, most=AT_ONCE)
            notices = [notice_of(row) for row in await self._db.run(bound_once, claim)]
            if not notices:
                return told
            client = await self._clients.find(client_id, fetch=False)
            good = await asyncio.gather(*(self._tell(client, notice) for notice in notices))
            told += sum(good)
            if not all(good):
                return told

    async def _tell(self, client: Client | None, notice: Notice) -> bool:
        if client is None or client.backchannel_logout_uri is None:
            # It was removed, or wants no more to be told.
            await self._db.run(bound_once, logins.TOLD(login_id=notice.id))
            return True
        try:
            status = await self._post(client, client.backchannel_logout_uri, notice)
        except AdmitError as error:  # its host, the guard, or no key to sign with: a try that failed
            trouble, why = error.code, f"{client.id}: {error.detail}" if error.detail else client.id
        else:
            if rules.is_told(status):
                await self._db.run(bound_once, logins.TOLD(login_id=notice.id))
                return True
            trouble, why = f"status {status}", client.id
        log.warning("logout not told", extra={"job": "backchannel", "code": trouble, "detail": why})
        await self._later(notice)
        return False

    async def _post(self, client: Client, uri: str, notice: Notice) -> int:
        said = rules.token_of(notice, issuer=self._issuer, jti=secrets.token_urlsafe(16), now=self._clock())
        key = self._keys.snapshot.signer("token", client.id_token_signed_response_alg)
        headers = {"content-type": rules.CONTENT_TYPE}
        fetcher = await self._dialling.of(client.id)
        return (await fetcher.apost(uri, rules.form(logout.sign(said, key)), headers)).status

    async def _later(self, notice: Notice) -> None:
        now = self._clock()
        if rules.is_hopeless(notice.tries):
            log.warning("logout given up", extra={"job": "backchannel", "detail": notice.client_id})
            await self._db.run(give_up, notice, now=now)
        else:
            again_at = now + pause_before(notice.tries, share=self._share()).total_seconds()
            later = logins.LATER(login_id=notice.id, try_=notice.tries, again_at=again_at)
            await self._db.run(bound_once, later)


def give_up(notice: Notice, *, now: float) -> Steps[None]:
    """Forget a notice and tell it, once: unless another worker has taken it over."""
    if (yield logins.GIVE_UP(login_id=notice.id, try_=notice.tries)):
        yield record(
            AuditEvent.LOGOUT_UNTOLD,
            outcome=Outcome.REFUSED,
            now=now,
            user_id=notice.user_id,
            client_id=notice.client_id,
            session_id=notice.session_id,
            detail={"tries": notice.tries},
        )


def notice_of(row: Row) -> Notice:
    """The notice in a row of CLAIM."""
    return Notice(
        id=row["id"],
        client_id=row["client_id"],
        user_id=row["user_id"],
        session_id=row["session_id"],
        tries=row["tries"],
    )
