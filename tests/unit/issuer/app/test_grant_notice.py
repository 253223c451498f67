"""The mail that tells of what an application was let in to, and who is told nothing new."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest
from sqlalchemy import func, select, update

from admit.issuer.accounts.errors import UserNotFoundError
from admit.issuer.accounts.store import user_account
from admit.issuer.app import jobs
from admit.issuer.audit import AuditEvent
from admit.issuer.audit.records import NOBODY
from admit.issuer.audit.store import audit
from admit.issuer.storage import Keyring, Statement, bound_once
from tests.fixtures.issuer import (
    ADA,
    BO,
    CLIENTS,
    WEB_SECRET,
    Browser,
    LiveIssuer,
    answer_of,
    make_issuer,
    pkce,
    request_of,
    settings_for,
)
from tests.fixtures.mail import MailServer, deliver, mail_config, text_of

pytestmark = pytest.mark.anyio
WEB = CLIENTS[2]
STRANGER = replace(WEB, id="stranger", name="Your bank, call 555-0199", trusted=False)


@pytest.fixture
async def mailing(
    furnished_sqlite: str, keyring: Keyring, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LiveIssuer]:
    monkeypatch.setattr(jobs, "MAILS_EVERY", 3_600.0)
    settings = settings_for(furnished_sqlite, mail=mail_config(mail_server), client=(*CLIENTS, STRANGER))
    made = make_issuer(settings, keyring)
    async with made.lifespan():
        proven = (
            update(user_account).where(user_account.c.email == ADA[0]).values(email_verified_at=made.clock())
        )
        await made.db.run(bound_once, Statement(proven)())
        yield made
        for one in made.open_browsers:
            await one.aclose()


async def allow(browser: Browser, client: str = "web", **changes: str) -> tuple[httpx2.Response, str]:
    """Said yes to on the consent page, where there is one; and the verifier for the code."""
    verifier, challenge = pkce()
    request = {**request_of("web"), "scope": "openid profile", "code_challenge": challenge, **changes}
    answer = await browser.get("/authorize", params={**request, "client_id": client})
    if answer.headers["location"].startswith("/consent"):
        page = await browser.get(answer.headers["location"])
        answer = await browser.submit("/consent", page.text, decision="allow")
    return answer, verifier


async def consents_told(issuer: LiveIssuer) -> int:
    """How many records of the audit tell of a yes."""
    count = select(func.count().label("n")).where(audit.c.event == AuditEvent.CONSENT_GIVEN.value)
    return int((await issuer.db.read(Statement(count)()))[0]["n"])


@pytest.mark.threat("6819-4.4.1.10", off="admit.issuer.consents.rules:is_news")
async def test_a_new_grant_is_one_mail_and_one_record_and_a_repeated_one_is_no_mail(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    browser = mailing.browser()
    await browser.sign_in()
    await allow(browser)
    assert await deliver(mailing) == 1
    (mail,) = mail_server.messages
    assert mail["To"] == ADA[0]
    assert f"{WEB.name} may now use your account" in text_of(mail)
    assert "http://localhost:8410/account" in text_of(mail)
    assert await consents_told(mailing) == 1

    assert "code" in answer_of((await allow(browser))[0])  # remembered: nobody is asked, nobody is told
    await allow(browser, prompt="consent")  # asked, and the same said again
    assert await deliver(mailing) == 0
    await allow(browser, scope="openid profile email")
    assert await deliver(mailing) == 1, "more than it had is news"


async def test_a_client_of_the_issuer_itself_is_no_news(mailing: LiveIssuer, mail_server: MailServer) -> None:
    browser = mailing.browser()
    await browser.tokens(client="spa")
    assert await deliver(mailing) == 0


async def test_an_address_that_nobody_proved_is_told_nothing(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    browser = mailing.browser()
    bo = await mailing.services.accounts.find(BO[0])
    assert bo is not None
    assert bo.email_verified_at is None
    await browser.sign_in(BO)
    assert "code" in answer_of((await allow(browser))[0])
    assert await deliver(mailing) == 0
    assert await consents_told(mailing) == 1


async def test_a_no_is_told_to_nobody(mailing: LiveIssuer) -> None:
    browser = mailing.browser()
    await browser.sign_in()
    request = {**request_of("web"), "code_challenge": pkce()[1]}
    page = await browser.get((await browser.get("/authorize", params=request)).headers["location"])
    await browser.submit("/consent", page.text, decision="refuse")
    assert await deliver(mailing) == 0


async def test_who_is_asked_each_time_is_told_once_while_the_grant_lives_and_a_stranger_is_not_named(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    browser = mailing.browser()
    await browser.sign_in()
    answer, verifier = await allow(browser, client="stranger")
    form = {
        "grant_type": "authorization_code", "code": answer_of(answer)["code"], "code_verifier": verifier,
        "redirect_uri": request_of("web")["redirect_uri"],
    }  # fmt: skip
    redeemed = await browser.post("/token", data=form, auth=("stranger", WEB_SECRET))
    assert redeemed.status_code == 200
    assert await deliver(mailing) == 1
    (mail,) = mail_server.messages
    assert "have not looked at" in text_of(mail)
    assert "bank" not in mail.as_string()
    await allow(browser, client="stranger")
    assert await deliver(mailing) == 0


async def test_a_password_that_somebody_else_sets_is_told_to_whom_it_belongs(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    accounts = mailing.services.accounts
    ada = await accounts.find(ADA[0])
    assert ada is not None
    await accounts.set_password(ada.id, "another good sentence", info=NOBODY, now=mailing.clock())
    assert await deliver(mailing) == 1
    (mail,) = mail_server.messages
    assert (mail["To"], "has a new password" in text_of(mail)) == (ADA[0], True)
    with pytest.raises(UserNotFoundError):
        await accounts.set_password("u_nobody", "another good sentence", info=NOBODY, now=mailing.clock())
    assert await deliver(mailing) == 0
