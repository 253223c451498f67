"""PWD-10, FED-link, MFA-3, SES-7: whose an address is, and putting another one in its place."""

import httpx2
import pytest

from admit.issuer import Settings
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.audit import RequestInfo
from admit.issuer.outbox import KINDS
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import ADA, BO, Browser, LiveIssuer, make_issuer
from tests.fixtures.mail import (
    MailServer,
    deliver,
    mail_config,
    path_in,
    token_in,
)
from tests.fixtures.second_factor import sign_in_with, with_app
from tests.threats.mailing import CLEO, NEW, choose, confirm, is_verified, masked, reset_link, sign_up
from tests.threats.whole import is_known, rows, user_id_of

pytestmark = pytest.mark.anyio


# Pre-made accounts


@pytest.mark.threat("FED-link", off="admit.issuer.app.routes.verify:knows_password")
async def test_a_click_of_the_owner_does_not_bless_a_password_that_somebody_else_chose(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    mallory = mailing.browser()
    await sign_up(mallory, CLEO, "a password of mallory")
    assert (await mallory.sign_in((CLEO, "a password of mallory", "", ()))).status_code == 303
    await deliver(mailing)
    path = path_in(mail_server.to(CLEO)[0])
    owner = mailing.browser()
    for form in ({}, {"password": ""}, {"password": "a guess of the owner"}):
        assert (await confirm(owner, path, **form)).status_code == 400
    assert not await is_verified(mailing, CLEO)


@pytest.mark.threat("FED-link", off="admit.issuer.accounts.links.transactions:end_what_was_open")
async def test_who_proves_an_address_by_a_reset_takes_a_pre_made_account_from_its_maker(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    mallory = mailing.browser()
    await sign_up(mallory, CLEO, "a password of mallory")
    await mallory.sign_in((CLEO, "a password of mallory", "", ()))
    tokens = await mallory.tokens(
        (CLEO, "a password of mallory", "", ()), "native", scope="openid offline_access"
    )
    assert (await mallory.get("/api/session")).status_code == 200
    await deliver(mailing)
    made = path_in(mail_server.to(CLEO)[0])
    owner = mailing.browser()
    assert (await choose(owner, await reset_link(mailing, mail_server, CLEO))).status_code == 200
    assert await is_verified(mailing, CLEO)
    assert (await mallory.get("/api/session")).status_code == 401
    assert (await mallory.refresh(tokens["refresh_token"], "native")).status_code == 400
    assert (await mailing.browser().sign_in((CLEO, "a password of mallory", "", ()))).status_code == 400
    assert (await confirm(mallory, made, password="a password of mallory")).status_code == 400
    assert (await mailing.browser().sign_in((CLEO, NEW, "", ()))).status_code == 303


async def test_an_address_is_proven_by_its_link_and_the_password_or_the_session(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    for email, signed_in in ((CLEO, False), ("dora@example.com", True)):
        visitor = mailing.browser()
        await sign_up(visitor, email)
        await deliver(mailing)
        path = path_in(mail_server.to(email)[0])
        form = {} if signed_in else {"password": NEW}
        if signed_in:
            await visitor.sign_in((email, NEW, "", ()))
        assert "/verify?t=" in path
        assert not await is_verified(mailing, email)
        done = await confirm(visitor, path, **form)
        assert done.status_code == 200, done.text
        assert await is_verified(mailing, email)
        assert (await confirm(visitor, path, **form)).status_code == 400


@pytest.fixture
def settings_that_want_proof(furnished_sqlite: str, mail_server: MailServer) -> Settings:
    from tests.fixtures.issuer import settings_for

    return settings_for(
        furnished_sqlite, mail=mail_config(mail_server), accounts=AccountsConfig(require_verified_email=True)
    )


async def test_where_addresses_must_be_proven_nobody_signs_in_before_and_the_answer_tells_nothing(
    settings_that_want_proof: Settings,
    keyring: Keyring,
    mail_server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from admit.issuer.app import jobs

    monkeypatch.setattr(jobs, "MAILS_EVERY", 3_600.0)
    issuer = make_issuer(settings_that_want_proof, keyring)
    async with issuer.lifespan():
        visitor = issuer.browser()
        await sign_up(visitor, CLEO)
        unproven = await visitor.sign_in((CLEO, NEW, "", ()))
        wrong = await visitor.sign_in((CLEO, "not the password", "", ()))
        assert unproven.status_code == wrong.status_code == 400
        assert masked(unproven)[:3] == masked(wrong)[:3]
        await deliver(issuer)
        assert len(mail_server.to(CLEO)) == 2, (
            "one at the sign-up, one at the sign-in with the right password"
        )
        assert (await confirm(visitor, path_in(mail_server.to(CLEO)[-1]), password=NEW)).status_code == 200
        assert (await visitor.sign_in((CLEO, NEW, "", ()))).status_code == 303
        for one in issuer.open_browsers:
            await one.aclose()


# Another address


async def ask_change(browser: Browser, email: str) -> httpx2.Response:
    page = await browser.get("/account/email")
    return await browser.submit("/account/email", page.text, do="change", email=email)


@pytest.mark.threat("PWD-10", off="admit.issuer.accounts.links.rules:still_meant")
async def test_a_new_address_counts_when_its_link_was_used_and_the_old_one_is_told(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    visitor = mailing.browser()
    await visitor.sign_in(ADA)
    stale = await reset_link(mailing, mail_server)
    mail_server.forget()
    assert (await ask_change(visitor, CLEO)).status_code == 303
    await deliver(mailing)
    (asked,) = mail_server.messages
    assert (asked["To"], asked["Subject"]) == (CLEO, "Confirm your new email address")
    assert (await mailing.services.accounts.find(CLEO)) is None
    ada = await user_id_of(mailing, ADA[0])
    assert (await confirm(visitor, path_in(asked))).status_code == 200
    assert (await mailing.services.accounts.find(ADA[0])) is None
    assert await user_id_of(mailing, CLEO) == ada
    assert await is_verified(mailing, CLEO)
    await deliver(mailing)
    (told,) = mail_server.to(ADA[0])
    assert told["Subject"] == "Your account has another email address"
    assert CLEO not in told.as_string()
    assert (await choose(mailing.browser(), stale)).status_code == 400
    assert (await mailing.browser().sign_in((CLEO, ADA[1], "", ()))).status_code == 303


@pytest.mark.threat("MFA-3", off="admit.issuer.app.routes.verify:password_proves")
async def test_the_password_alone_puts_no_new_address_in_the_place_of_one_that_a_second_factor_guards(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    phone, owner = await with_app(mailing), mailing.browser()
    ada = await user_id_of(mailing, ADA[0])
    await sign_in_with(owner, phone, mailing.clock.now)
    assert (await ask_change(owner, CLEO)).status_code == 303
    await deliver(mailing)
    (asked,) = mail_server.to(CLEO)
    page = await mailing.browser().get(path_in(asked))
    assert 'name="password"' not in page.text
    assert "Sign in first" in page.text
    other = mailing.browser()
    form = (await other.get("/login")).text
    sent = await other.submit("/verify", form, t=token_in(asked), password=ADA[1])
    assert sent.status_code == 403
    assert await mailing.services.accounts.find(CLEO) is None
    assert (await confirm(owner, path_in(asked))).status_code == 200
    assert await user_id_of(mailing, CLEO) == ada


async def test_a_browser_that_changes_the_address_stays_known(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    """It is the one that gets in while others guess: all that were known before are strangers by the change."""
    visitor = mailing.browser()
    await visitor.sign_in(ADA)
    assert (await ask_change(visitor, CLEO)).status_code == 303
    await deliver(mailing)
    assert (await confirm(visitor, path_in(mail_server.to(CLEO)[0]))).status_code == 200
    assert await is_known(mailing, visitor, CLEO)
    assert not await is_known(mailing, mailing.browser(), CLEO)


async def test_a_taken_address_is_answered_as_a_free_one_and_its_owner_is_told(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    visitor = mailing.browser()
    await visitor.sign_in(ADA)
    free, taken = await ask_change(visitor, CLEO), await ask_change(visitor, "Bo@EXAMPLE.com")
    assert masked(free) == masked(taken)
    await deliver(mailing)
    assert [mail["Subject"] for mail in mail_server.to(BO[0])] == ["You have an account already"]
    # Taken between the wish and the link.
    await mailing.services.accounts.add(
        email=CLEO, name="Cleo", password=NEW, info=RequestInfo(), now=mailing.clock.now
    )
    assert (await confirm(visitor, path_in(mail_server.to(CLEO)[0]))).status_code == 400
    assert (await mailing.services.accounts.find(ADA[0])) is not None


@pytest.mark.threat("SES-7", off="admit.issuer.sessions.rules:is_fresh")
@pytest.mark.threat("PWD-10", off="admit.issuer.sessions.rules:is_fresh")
async def test_who_signed_in_long_ago_changes_no_address(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    visitor = mailing.browser()
    await visitor.sign_in(ADA)
    page = await visitor.get("/account/email")
    mailing.clock.advance(3_600)
    assert (await visitor.get("/account/email")).headers["location"].startswith("/login?again=1")
    refused = await visitor.submit("/account/email", page.text, do="change", email=CLEO)
    assert refused.status_code in (303, 403)
    assert "done" not in refused.headers.get("location", "")
    assert await deliver(mailing) == 0
    assert await rows(mailing, "email_link") == []


async def test_what_is_no_new_address_is_refused_beside_its_field(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    assert (await choose(mailing.browser(), await reset_link(mailing, mail_server))).status_code == 200
    await deliver(mailing)
    visitor = mailing.browser()
    await visitor.sign_in((ADA[0], NEW, "", ()))
    await deliver(mailing)
    for email in ("", "cleo", "cleo@example.com, m@evil.example", ADA[0]):
        answer = await ask_change(visitor, email)
        assert answer.status_code == 400, email
        assert 'aria-invalid="true"' in answer.text
    assert await deliver(mailing) == 0


async def test_an_unproven_address_gets_its_link_again_at_the_account_page(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    visitor = mailing.browser()
    await visitor.sign_in(ADA)
    page = await visitor.get("/account/email")
    limit = KINDS["verify_email"].limit
    for _ in range(limit + 2):
        assert (await visitor.submit("/account/email", page.text, do="resend")).status_code == 303
    await deliver(mailing)
    assert len(mail_server.to(ADA[0])) == limit
    assert len(await rows(mailing, "email_link")) == limit, (
        "a link that nobody gets is no row, however often one asks"
    )
    assert (await confirm(visitor, path_in(mail_server.to(ADA[0])[-1]))).status_code == 200
    assert await is_verified(mailing, ADA[0])
