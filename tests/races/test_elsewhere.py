"""Two nodes on one PostgreSQL look at one account of an application at the same moment."""

import asyncio
from collections.abc import Callable

import pytest

from admit.issuer.storage import Keyring, Statement
from tests.fixtures.accounts_elsewhere import CAT, Application, cat, issuer_beside

pytestmark = [pytest.mark.anyio, pytest.mark.soak]
AT_ONCE = 10


def changes() -> Statement:
    from sqlalchemy import select

    from admit.issuer.audit.store import audit

    return Statement(select(audit.c.id).where(audit.c.event == "user.changed"))


async def test_one_change_is_taken_over_once_and_ends_what_it_ends_once(
    postgresql_url: str, keyring: Keyring, rounds: Callable[..., range]
) -> None:
    application = Application(cat())
    one = issuer_beside(application, postgresql_url, keyring)
    other = issuer_beside(application, postgresql_url, keyring, clock=one.clock)
    async with one.lifespan(), other.lifespan():
        seen = 0
        for turn in rounds(test=3, soak=30):
            browser = one.browser()
            assert (await browser.sign_in(CAT)).status_code == 303
            twin = other.browser()
            twin.cookies = browser.cookies
            application.change("7", roles={f"role-{turn}"}, name=f"Cat {turn}")
            one.clock.advance(31)
            answers = await asyncio.gather(
                *(who.get("/account") for who in (browser, twin) for _ in range(AT_ONCE))
            )
            assert {answer.status_code for answer in answers} == {303}, "the session ended, for everybody"
            rows = await one.db.read(changes()())
            assert len(rows) == seen + 1
            seen = len(rows)
        for made in (one, other):
            for opened in made.open_browsers:
                await opened.aclose()
