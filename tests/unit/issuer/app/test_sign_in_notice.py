"""The mail that tells of a sign-in on a browser that is not known, from the sign-in to the mailbox."""

import pytest
from sqlalchemy import update

from admit.issuer.accounts.store import user_account
from admit.issuer.storage import Statement, bound_once
from tests.fixtures.issuer import ADA, Browser, LiveIssuer
from tests.fixtures.mail import MailServer, deliver, text_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1"


async def prove_address(issuer: LiveIssuer) -> None:
    proven = (
        update(user_account).where(user_account.c.email == ADA[0]).values(email_verified_at=issuer.clock())
    )
    await issuer.db.run(bound_once, Statement(proven)())


async def signed_in(issuer: LiveIssuer, agent: str, ip: str) -> Browser:
    browser = issuer.browser(ip)
    browser.headers["user-agent"] = agent
    done = await browser.sign_in()
    assert done.status_code == 303
    return browser


async def test_a_new_browser_is_told_by_mail_and_one_that_was_here_before_is_not(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    await prove_address(mailing)
    home = await signed_in(mailing, FIREFOX, "192.0.2.7")
    assert await deliver(mailing) == 0, "the first sign-in of a new account"
    await signed_in(mailing, PHONE, "203.0.113.9")
    assert await deliver(mailing) == 1
    (mail,) = mail_server.messages
    assert mail["To"] == ADA[0]
    words = text_of(mail)
    assert "Safari on iPhone" in words
    assert "203.0.113.9" in words
    assert "was signed in to from a browser that was not seen before" in words

    # The device's cookie is what it is known by, wherever it goes and whatever it calls itself by then.
    page = await home.get("/account")
    await home.submit("/account", page.text, do="sign_out")
    home.headers["user-agent"] = PHONE.replace("19", "20")
    await home.sign_in()
    assert await deliver(mailing) == 0
    listed = (await home.get("/api/sessions")).json()["sessions"]
    assert {one["current"]: one["unfamiliar"] for one in listed} == {True: False, False: True}


async def test_an_address_that_was_never_proven_is_told_nothing(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    await signed_in(mailing, FIREFOX, "192.0.2.7")
    thief = await signed_in(mailing, PHONE, "203.0.113.9")
    assert await deliver(mailing) == 0
    listed = (await thief.get("/api/sessions")).json()["sessions"]
    assert {one["current"]: one["unfamiliar"] for one in listed} == {True: True, False: False}, (
        "the page tells"
    )
