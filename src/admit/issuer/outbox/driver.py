"""`Courier`: sends what is due. Any number of them work on one database."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import Final, Protocol, TypeAlias

from admit.errors import AdmitError
from admit.issuer.audit import AuditEvent, Outcome, record
from admit.issuer.outbox import rules, store
from admit.issuer.outbox.errors import MailRefusedError
from admit.issuer.outbox.posting import Outbox
from admit.issuer.outbox.records import Waiting
from admit.issuer.storage import Database, Row, SealError, Steps, bound_once

log = logging.getLogger("admit.issuer.mail")

MOST_BATCHES: Final = 250  # in one turn; the next comes soon


class Sender(Protocol):
    """Hands one mail over."""

    async def send(self, message: EmailMessage) -> None:
        """Return when somebody else has taken it on.

        Raises:
            MailRefusedError: it will never be taken. MailUnavailableError: not now.
        """


Prepare: TypeAlias = Callable[[Waiting], Awaitable[EmailMessage | None]]
"""Makes the message; None: there is nobody to send it to."""


class Courier:
    """Takes due mails out by one conditional statement, sends a few at a time, and forgets what was sent.

    A worker that dies leaves its mails to be due again when its lease ends; they are sent once more under the same
    Message-ID, if they had been sent at all. `share` gives the spread of the pauses, in 0..1.
    """

    def __init__(
        self,
        db: Database,
        outbox: Outbox,
        sender: Sender,
        prepare: Prepare,
        *,
        clock: Callable[[], float],
        share: Callable[[], float] = random.random,
    ) -> None:
        self._db = db
        self._outbox = outbox
        self._sender = sender
        self._prepare = prepare
        self._clock = clock
        self._share = share

    async def turn(self) -> int:
        """Send all that is due; how many were taken out. An empty outbox costs one read.

        Raises:
            StorageUnavailableError: the database was not reached; what was taken out comes back by itself.
        """
        taken = 0
        for _ in range(MOST_BATCHES):
            if not await self._db.read(store.ANY_DUE(now=self._clock())):
                break
            rows = await self._claim()
            taken += len(rows)
            outcomes = await asyncio.gather(*map(self._deliver, rows), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            if len(rows) < self._outbox.config.parallel:
                break
        return taken

    async def _claim(self) -> list[Row]:
        config, now = self._outbox.config, self._clock()
        claim = store.CLAIM(now=now, until=now + config.lease.total_seconds(), count=config.parallel)
        return list(await self._db.run(bound_once, claim))

    async def _deliver(self, row: Row) -> None:
        try:
            waiting = self._outbox.open(row)
        except SealError:
            await self._give_up(row, "unreadable")
            return
        try:
            message = await self._prepare(waiting)
            if message is not None:
                async with asyncio.timeout(self._outbox.config.timeout.total_seconds()):
                    await self._sender.send(message)
        except MailRefusedError:
            await self._give_up(row, "refused")
        except (AdmitError, TimeoutError) as error:
            code = error.code if isinstance(error, AdmitError) else "timeout"
            log.warning("mail not sent", extra={"job": "mail", "code": code, "detail": about(row)})
            await self._later(row)
        except Exception:
            log.exception("mail not made", extra={"job": "mail", "detail": about(row)})
            await self._later(row)
        else:
            await self._db.run(bound_once, store.SENT(mail_id=row["id"]))

    async def _later(self, row: Row) -> None:
        now = self._clock()
        again_at = now + rules.pause_before(row["tries"], share=self._share()).total_seconds()
        if again_at >= row["give_up_at"]:
            await self._give_up(row, "not sent in time")
        else:
            await self._db.run(
                bound_once, store.LATER(mail_id=row["id"], try_=row["tries"], again_at=again_at)
            )

    async def _give_up(self, row: Row, reason: str) -> None:
        log.warning("mail given up", extra={"job": "mail", "code": reason, "detail": about(row)})
        await self._db.run(give_up, row, reason=reason, now=self._clock())


def about(row: Row) -> str:
    """What a log may say of a mail: its kind and its id."""
    return f"{row['kind']} {row['id']}"


def give_up(row: Row, *, reason: str, now: float) -> Steps[None]:
    """Forget a mail and tell it, once: unless another worker has taken it over."""
    if (yield store.GIVE_UP(mail_id=row["id"], try_=row["tries"])):
        yield record(
            AuditEvent.MAIL_FAILED,
            outcome=Outcome.REFUSED,
            now=now,
            user_id=row["user_id"],
            detail={"kind": row["kind"], "mail": row["id"], "reason": reason, "tries": row["tries"]},
        )
