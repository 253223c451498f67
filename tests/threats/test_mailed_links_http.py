"""PWD-3, PWD-9, MFA-3, O-1, O-2: links that set a password, each good once, in time and for its purpose."""

import re
from typing import Any

import pytest

from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.errors import LinkError, UserNotFoundError
from admit.issuer.audit import RequestInfo
from tests.fixtures.issuer import ADA, BO, ISSUER, LiveIssuer, field_of
from tests.fixtures.mail import (
    MailServer,
    deliver,
    token_in,
)
from tests.fixtures.second_factor import show, with_app
from tests.threats.mailing import (
    CLEO,
    NEW,
    ask,
    choose,
    confirm,
    cookies_of,
    is_verified,
    reset_link,
    sign_up,
)
from tests.threats.whole import SESSION_COOKIE, Heard, database_files, events, rows, user_id_of

pytestmark = pytest.mark.anyio


@pytest.mark.threat("PWD-9", off="admit.issuer.accounts.links.transactions:end_what_was_open")
async def test_a_link_that_scanners_opened_sets_the_password_and_ends_what_was_open(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    signed_in = mailing.browser()
    await signed_in.sign_in(ADA)
    tokens = await signed_in.tokens(ADA, "native", scope="openid offline_access")
    path = await reset_link(mailing, mail_server)
    for _ in range(3):
        assert (await mailing.browser().get(path)).status_code == 200
        assert (await mailing.browser().head(path)).status_code == 200
    before = await everything_but_throttle(mailing)
    assert (await mailing.browser().get(path)).status_code == 200
    assert await everything_but_throttle(mailing) == before
    visitor = mailing.browser()
    done = await choose(visitor, path)
    assert done.status_code == 200
    assert "Your new password is set" in done.text
    # It signs nobody in.
    assert (await visitor.get("/api/session")).status_code == 401
    assert not any(cookie.startswith(f"{SESSION_COOKIE}=") for cookie in cookies_of(done))
    # All that the old password had opened is over.
    assert (await signed_in.get("/api/session")).status_code == 401
    assert (await signed_in.refresh(tokens["refresh_token"], "native")).status_code == 400
    assert (await mailing.browser().sign_in(ADA)).status_code == 400
    assert (await mailing.browser().sign_in((ADA[0], NEW, ADA[2], ()))).status_code == 303
    await deliver(mailing)
    assert "Your password was changed" in [mail["Subject"] for mail in mail_server.to(ADA[0])]


async def everything_but_throttle(issuer: LiveIssuer) -> dict[str, Any]:
    return {
        name: await rows(issuer, name)
        for name in ("email_link", "user_account", "outbox", "audit", "session")
    }


LINK_TWICE = ["admit.issuer.accounts.links.transactions:spend", "admit.issuer.accounts.links.rules:is_live"]
LINK_OLD = [
    "admit.issuer.accounts.links.transactions:spend",
    "admit.issuer.accounts.links.rules:is_live",
    "admit.issuer.accounts.links.rules:still_meant",
]


@pytest.mark.threat("PWD-9", off=LINK_OLD)
async def test_a_link_that_was_used_is_refused_and_told(mailing: LiveIssuer, mail_server: MailServer) -> None:
    path = await reset_link(mailing, mail_server)
    visitor = mailing.browser()
    page = await visitor.get(path)
    token = field_of(page.text, "t")
    assert (await visitor.submit("/reset", page.text, t=token, password=NEW)).status_code == 200
    again = await visitor.submit("/reset", page.text, t=token, password="another pass sentence 8")
    assert again.status_code == 400
    assert "That link cannot be used any more" in again.text
    assert (await mailing.browser().get(path)).status_code == 400
    told = [event for event in await events(mailing) if event["event"] == "link.refused"]
    assert [event["user_id"] for event in told] == [await user_id_of(mailing, ADA[0])]
    assert token not in repr(told)


@pytest.mark.threat("PWD-9", off="admit.issuer.accounts.links.rules:still_meant")
async def test_older_links_die_when_the_password_or_the_address_changes(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    first, second = [await reset_link(mailing, mail_server) for _ in range(2)]
    assert (await choose(mailing.browser(), second)).status_code == 200
    assert (await choose(mailing.browser(), first, "a later pass sentence")).status_code == 400
    mailing.clock.advance(3_600)
    third = await reset_link(mailing, mail_server)
    await mailing.services.accounts.set_password(
        await user_id_of(mailing, ADA[0]), ADA[1], info=RequestInfo(), now=mailing.clock.now
    )
    assert (await choose(mailing.browser(), third)).status_code == 400
    assert (await mailing.browser().sign_in(ADA)).status_code == 303


@pytest.mark.threat("PWD-9", off=LINK_TWICE)
async def test_a_link_is_good_for_its_time_and_its_purpose_only(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    path = await reset_link(mailing, mail_server)
    token = path.partition("t=")[2].partition("&")[0]
    wrong_door = await confirm(mailing.browser(), f"/verify?t={token}", password=ADA[1])
    assert wrong_door.status_code == 400
    assert not await is_verified(mailing, ADA[0])
    mailing.clock.advance(AccountsConfig().reset_link.total_seconds() + 1)
    assert (await choose(mailing.browser(), path)).status_code == 400
    await sign_up(mailing.browser(), CLEO)
    await deliver(mailing)
    (welcome,) = mail_server.to(CLEO)
    assert (await choose(mailing.browser(), f"/reset?t={token_in(welcome)}")).status_code == 400


@pytest.mark.threat("PWD-9", off="admit.issuer.accounts.links.rules:proves_address")
async def test_only_a_link_that_came_by_mail_proves_the_address(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    ada = await user_id_of(mailing, ADA[0])
    handed = await mailing.services.links.hand_over(
        ada, void=False, info=RequestInfo(), now=mailing.clock.now
    )
    assert (await choose(mailing.browser(), handed.link.removeprefix(ISSUER))).status_code == 200
    assert not await is_verified(mailing, ADA[0]), "whoever handed it over knows no mailbox"
    await choose(mailing.browser(), await reset_link(mailing, mail_server), "another pass sentence 8")
    assert await is_verified(mailing, ADA[0])


@pytest.mark.threat("PWD-9", off="admit.issuer.accounts.links.rules:still_meant")
async def test_a_link_that_was_handed_over_dies_with_its_time_and_with_the_next_password(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    ada, links = await user_id_of(mailing, ADA[0]), mailing.services.links
    old = await links.hand_over(ada, void=False, info=RequestInfo(), now=mailing.clock.now)
    new = await links.hand_over(ada, void=True, info=RequestInfo(), now=mailing.clock.now)
    assert (await choose(mailing.browser(), old.link.removeprefix(ISSUER))).status_code == 400
    mailing.clock.advance(new.expires_at - mailing.clock.now)
    assert (await choose(mailing.browser(), new.link.removeprefix(ISSUER))).status_code == 400
    assert (await mailing.browser().sign_in(ADA)).status_code == 400


async def test_no_link_is_handed_over_for_an_account_that_was_disabled_or_removed_a_moment_ago(
    mailing: LiveIssuer,
) -> None:
    """Since whoever asked for it looked at the account."""
    ada, links = await user_id_of(mailing, ADA[0]), mailing.services.links
    now = mailing.clock.now
    await mailing.services.accounts.disable(ada, info=RequestInfo(), now=now)
    for void in (False, True):
        with pytest.raises(LinkError):
            await links.hand_over(ada, void=void, info=RequestInfo(), now=now)
        with pytest.raises(UserNotFoundError):
            await links.hand_over("u_" + "A" * 22, void=void, info=RequestInfo(), now=now)
    assert await rows(mailing, "email_link") == []
    assert not {"reset.asked", "user.changed"} & {event["event"] for event in await events(mailing)}
    bo = await user_id_of(mailing, BO[0])
    await links.hand_over(bo, void=False, info=RequestInfo(), now=now)
    assert [row["user_id"] for row in await rows(mailing, "email_link")] == [bo]


async def test_what_is_no_token_is_told_the_same_as_one_that_was_used(mailing: LiveIssuer) -> None:
    visitor = mailing.browser()
    sizes = ["a" * n for n in (0, 42, 43, 44, 1_000)]
    for token in (*sizes, "%00" * 43, "é" * 43, "' OR 1=1 --"):
        for path in ("/reset", "/verify"):
            answer = await visitor.get(path, params={"t": token})
            assert answer.status_code == 400
            assert "That link cannot be used any more" in answer.text


async def test_the_page_of_a_link_shows_and_sends_it_to_nobody_else(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    path = await reset_link(mailing, mail_server)
    page = await mailing.browser().get(path)
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page.text)


async def test_a_password_that_cannot_be_taken_leaves_the_link_good(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    path = await reset_link(mailing, mail_server)
    assert (await choose(mailing.browser(), path, "short")).status_code == 400
    assert (await choose(mailing.browser(), path, "")).status_code == 400
    assert (await choose(mailing.browser(), path)).status_code == 200


async def test_a_form_of_another_site_changes_nothing(mailing: LiveIssuer, mail_server: MailServer) -> None:
    link = await reset_link(mailing, mail_server)
    visitor = mailing.browser()
    await visitor.sign_in(ADA)
    page = (await visitor.get(link)).text
    before = await everything_but_throttle(mailing)
    token = field_of(page, "t")
    form = {"t": token, "password": NEW, "email": BO[0], "do": "change"}
    for path in ("/forgot", "/reset", "/verify", "/account/email"):
        for more, origin in (
            ({"csrf": field_of(page, "csrf")}, "https://evil.example"),
            ({}, ISSUER),
            ({"csrf": "x"}, ISSUER),
        ):
            answer = await visitor.post(path, data={**form, **more}, headers={"origin": origin})
            assert answer.status_code == 403, (path, more, origin)
    assert await everything_but_throttle(mailing) == before


@pytest.mark.threat("O-2", off="admit.issuer.outbox.posting:Outbox.seal")
async def test_no_link_is_found_in_the_database_or_in_what_was_said(
    mailing: LiveIssuer, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    visitor = heard.listen(mailing.browser())
    await sign_up(visitor, CLEO)
    await ask(visitor, ADA[0])
    mail_server.handler.answers["DATA"] = "451 come again"
    await deliver(mailing)  # made, and not taken: the mails with their links wait again
    files = b"".join(file.read_bytes() for file in database_files(mailing))
    mail_server.handler.answers.clear()
    mailing.clock.advance(60)
    await deliver(mailing)
    tokens = [token_in(mail) for mail in mail_server.messages]
    assert len(tokens) == 2
    files += b"".join(file.read_bytes() for file in database_files(mailing))
    said = "".join(response.text for response in heard.responses) + caplog.text
    for token in tokens:
        assert token.encode() not in files
        assert token not in said


@pytest.mark.threat("MFA-3", off="admit.issuer.factors.assurance:next_step")
async def test_a_reset_leads_to_the_second_step_and_never_past_it(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    phone = await with_app(mailing)
    visitor = mailing.browser()
    assert (await choose(visitor, await reset_link(mailing, mail_server))).status_code == 200
    assert (await visitor.get("/api/session")).status_code == 401
    stopped = await visitor.sign_in((ADA[0], NEW, "", ()))
    assert stopped.headers["location"].startswith("/login/second-factor?")
    assert (await visitor.get("/api/session")).status_code == 401
    assert (await show(visitor, stopped, phone.code(mailing.clock.now))).status_code == 303
    assert (await visitor.get("/api/session")).status_code == 200


@pytest.mark.threat("PWD-3", off="admit.issuer.accounts.devices.rules:is_known")
async def test_a_mailed_link_lets_the_owner_in_on_a_new_device_while_others_guess(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    guesser = mailing.browser("198.51.100.1")
    page = (await guesser.get("/login")).text
    for _ in range(mailing.settings.accounts.tries_per_account):
        assert (await guesser.submit("/login", page, email=ADA[0], password="a guess")).status_code == 400
    owner = mailing.browser("203.0.113.9")
    assert (await owner.sign_in(ADA)).status_code == 429
    changed = (ADA[0], NEW, ADA[2], ADA[3])
    assert (await choose(owner, await reset_link(mailing, mail_server))).status_code == 200
    assert SESSION_COOKIE not in owner.cookies, "the link makes the browser known and signs nobody in"
    assert (await mailing.browser("203.0.113.9").sign_in(changed)).status_code == 429
    assert (await owner.sign_in(changed)).status_code == 303
