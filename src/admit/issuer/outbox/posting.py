"""`Outbox`: put mails into the transaction that causes them."""

import json
import secrets
from typing import Final

from admit.issuer.outbox import rules, store
from admit.issuer.outbox.config import MailConfig
from admit.issuer.outbox.errors import MailError
from admit.issuer.outbox.kinds import KINDS, About
from admit.issuer.outbox.records import Mail, MailKind, Posted, Waiting
from admit.issuer.storage import Keyring, Row, Steps
from admit.issuer.throttle import bucket, take

PURPOSE: Final = "mail"
KEPT_AFTER_GIVING_UP: Final = 86_400.0  # seconds; only where no worker ran


class Outbox:
    """Takes mails. Without a sender in `config`, or without a keyring, it is off and keeps nothing."""

    def __init__(self, config: MailConfig | None = None, keyring: Keyring | None = None) -> None:
        self.config = config if config is not None else MailConfig()
        self._keyring = keyring

    @property
    def is_on(self) -> bool:
        """Whether mails are sent at all."""
        return self._keyring is not None and self.config.is_on

    def post(self, mail: Mail, *, now: float) -> Steps[Posted]:
        """Keep a mail until it is sent. Yield from it last in the transaction: what it locks is one address's budget.

        Rolled back with what causes it; committed with it, it is sent at least once, or given up with an audit record.
        An address gets only so many of a kind (`KINDS`), whoever causes them.

        Raises:
            MailError: the kind needs data that was not given; a mistake of the caller's.
        """
        about = KINDS[mail.kind]
        if not about.needs <= mail.data.keys():
            raise MailError(f"a mail of the kind {mail.kind} lacks data")
        if self._keyring is None or not self.config.is_on:
            return Posted.OFF
        to = rules.address(mail.to)
        if to is None:
            return Posted.UNDELIVERABLE
        most = room_for(about, self.config.most_waiting)
        if (yield store.HOW_MANY(most=most))[0]["count"] >= most:
            return Posted.FULL
        if not (yield from self.within_budget(to, mail.kind, now=now)):
            return Posted.TOO_MANY
        mail_id = secrets.token_hex(16)
        life = self.config.give_up_after if mail.life is None else min(mail.life, self.config.give_up_after)
        yield store.INSERT(
            id=mail_id,
            kind=mail.kind,
            user_id=mail.user_id,
            sealed=self.seal(mail_id, mail),
            created_at=now,
            due_at=now,
            give_up_at=now + life.total_seconds(),
            tries=0,
        )
        return Posted.QUEUED

    def within_budget(self, to: str, kind: MailKind, *, now: float) -> Steps[bool]:
        """Whether this address may have one more of this kind: nobody can have another person's mailbox flooded."""
        about = KINDS[kind]
        name = bucket("mail", kind, rules.budget_name(to))
        return (yield from take(bucket=name, limit=about.limit, window=about.window, now=now)).allowed

    def complete(self, waiting: Waiting, mail: Mail) -> Steps[bool]:
        """Put `mail` in the place of one that was taken out to be sent, so that every later try sends the same.

        False: another worker has taken it over meanwhile.
        """
        sealed = self.seal(waiting.id, mail)
        return bool(
            (yield store.RESEAL(mail_id=waiting.id, try_=waiting.tries, body=sealed, of_user=mail.user_id))
        )

    def seal(self, mail_id: str, mail: Mail) -> bytes:
        """Address, language and data: links in it are as good as passwords, so the database never shows them."""
        if self._keyring is None:
            raise MailError("no keyring to seal a mail with")
        body = {"to": mail.to, "locale": mail.locale, "data": dict(mail.data)}
        return self._keyring.seal(PURPOSE, json.dumps(body).encode(), bound_to=mail_id)

    def open(self, row: Row) -> Waiting:
        """The mail in a row of CLAIM.

        Raises:
            SealError: the key that sealed it is gone.
        """
        if self._keyring is None:
            raise MailError("no keyring to open a mail with")
        body = json.loads(self._keyring.open(PURPOSE, row["sealed"], bound_to=row["id"]))
        return Waiting(
            id=row["id"],
            mail=Mail(
                kind=row["kind"],
                user_id=row["user_id"],
                to=body["to"],
                locale=body["locale"],
                data=body["data"],
            ),
            created_at=row["created_at"],
            give_up_at=row["give_up_at"],
            tries=row["tries"],
        )


def room_for(about: About, most: int) -> int:
    """How many mails may wait, of all kinds, for one more of this kind to be taken."""
    return (most + 1) // 2 if about.asked_for else most


def forget_old(now: float) -> Steps[None]:
    """Delete mails that nobody sent in time; for the sweeper."""
    yield store.FORGET(before=now - KEPT_AFTER_GIVING_UP)


NO_MAIL: Final = Outbox()
"""Takes nothing: for drivers that are used without mail."""
