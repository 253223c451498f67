"""Twins of the defences of mails and mailed links."""

import json
from typing import Any

from sqlalchemy import Double, bindparam, select

from admit.issuer.accounts import store as accounts
from admit.issuer.accounts.errors import LinkError, UserNotFoundError
from admit.issuer.accounts.links import store
from admit.issuer.accounts.links.records import Link, Purpose
from admit.issuer.audit import RequestInfo
from admit.issuer.outbox import Courier, Mail, Outbox
from admit.issuer.outbox.store import outbox
from admit.issuer.storage import Row, Statement, Steps

_ALL_DUE = Statement(select(outbox).where(outbox.c.due_at <= bindparam("now", type_=Double)).limit(4))


def _as_given(text: str) -> str:
    return text


def _yes(*args: Any, **kwargs: Any) -> bool:
    return True


def _no(*args: Any, **kwargs: Any) -> bool:
    return False


async def _anybody(*args: Any, **kwargs: Any) -> bool:
    return True


def _in_clear(self: Outbox, mail_id: str, mail: Mail) -> bytes:
    return json.dumps({"to": mail.to, "locale": mail.locale, "data": dict(mail.data)}).encode()


def _look_only(token_hash: bytes, purpose: Purpose, *, now: float) -> Steps[Link]:
    rows = yield store.FIND(hash=token_hash)
    if not rows:
        raise LinkError
    return store.link_of(rows[0])


def _leave_all(*args: Any, **kwargs: Any) -> Steps[int]:
    yield from ()
    return 0


def _tell_at_once(outbox: Outbox, email: str, *, info: RequestInfo, now: float, **_: Any) -> Steps[None]:
    rows = yield accounts.USER_BY_EMAIL(email=email)
    if not rows:
        raise UserNotFoundError
    yield from outbox.post(Mail(kind="reset_password", user_id=None, to=email), now=now)


async def _take_what_others_have(self: Courier) -> list[Row]:
    return list(await self._db.read(_ALL_DUE(now=self._clock())))


TWINS: dict[str, Any] = {
    "admit.issuer.accounts.rules:is_email": _yes,
    "admit.issuer.outbox.rules:header_value": _as_given,
    "admit.issuer.outbox.rules:address": _as_given,
    "admit.issuer.outbox.posting:Outbox.seal": _in_clear,
    "admit.issuer.outbox.posting:room_for": lambda about, most: most,
    "admit.issuer.outbox.driver:Courier._claim": _take_what_others_have,
    "admit.issuer.accounts.links.transactions:spend": _look_only,
    "admit.issuer.accounts.links.transactions:ask_reset": _tell_at_once,
    "admit.issuer.accounts.links.transactions:end_what_was_open": _leave_all,
    "admit.issuer.accounts.links.rules:is_live": _yes,
    "admit.issuer.accounts.links.rules:still_meant": _yes,
    "admit.issuer.accounts.links.rules:proves_address": _yes,
    "admit.issuer.app.routes.verify:knows_password": _anybody,
    "admit.issuer.app.routes.verify:password_proves": _anybody,
    "admit.issuer.app.mails.render:escapes": _no,
}
