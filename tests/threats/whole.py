"""What the tests of a whole issuer look at from outside: its tables, its files, and all that it said."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import select

from admit.credentials import cookies
from admit.issuer.app.devices import cookie_name
from admit.issuer.storage import Statement, metadata
from tests.fixtures.issuer import ISSUER, Browser, LiveIssuer, make_issuer

SESSION_COOKIE = cookies.session_cookie_name(ISSUER, dev=True)


async def rows(issuer: LiveIssuer, table: str) -> list[dict[str, Any]]:
    """All rows of a table."""
    found = metadata.tables[table]
    return [
        {column.name: row[column.name] for column in found.columns}
        for row in await issuer.db.read(Statement(select(found))())
    ]


async def everything(issuer: LiveIssuer) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables but the ring of refusals, which is written behind the answers; in a stable order."""
    names = sorted(metadata.tables.keys() - {"refusal"})
    return {name: sorted(await rows(issuer, name), key=repr) for name in names}


async def events(issuer: LiveIssuer) -> list[dict[str, Any]]:
    """All audit records with their detail read, as they were written."""
    return [{**row, "detail": json.loads(row["detail"])} for row in await rows(issuer, "audit")]


async def user_id_of(issuer: LiveIssuer, email: str) -> str:
    """The id of somebody who is there."""
    user = await issuer.services.accounts.find(email)
    assert user is not None
    return user.id


async def is_known(issuer: LiveIssuer, browser: Browser, email: str) -> bool:
    """Whether a browser has a budget of its own for this person's password."""
    value = browser.cookies.get(cookie_name(ISSUER, True))
    raw = cookies.decode_session_id(value.encode()) if value is not None else None
    user = await issuer.services.accounts.find(email)
    return await issuer.services.accounts.devices.find(raw, user, issuer.clock.now) is not None


def again(issuer: LiveIssuer) -> LiveIssuer:
    """Another node on the same database, or the same one after a restart; not started yet, with the same clock."""
    other = make_issuer(issuer.settings, issuer.keyring)
    other.clock.now = issuer.clock.now
    return other


def database_files(issuer: LiveIssuer) -> Iterable[Path]:
    """The database's file and what lies beside it."""
    path = Path(issuer.settings.database_url.removeprefix("sqlite:///"))
    found = sorted(path.parent.glob(path.name + "*"))
    assert any(file.name.endswith("-wal") for file in found), "the write-ahead log is there to be searched"
    return found


@dataclass
class Heard:
    """Every response of the browsers that were listened to."""

    responses: list[httpx2.Response] = field(default_factory=list)

    def listen(self, browser: Browser) -> Browser:
        async def keep(response: httpx2.Response) -> None:
            await response.aread()
            self.responses.append(response)

        browser.event_hooks = {"response": [keep]}
        return browser
