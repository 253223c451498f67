"""PWD-1, PWD-2, PWD-7 to PWD-10, FED-link, MFA-3, SES-7, O-1, O-2: addresses, mailed links and recovery over HTTP,
with a real mail server."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from admit.issuer import Settings
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.pool import BoundedPool
from admit.issuer.audit import RequestInfo
from admit.issuer.outbox import KINDS
from admit.issuer.storage import Bound, Keyring, Many
from tests.fixtures.issuer import ADA, BO, ISSUER, Browser, LiveIssuer, field_of, make_issuer
from tests.fixtures.mail import (
    MailServer,
    deliver,
    link_in,
    mail_config,
    path_in,
    text_of,
    token_in,
)
from tests.fixtures.second_factor import show, sign_in_with, with_app
from tests.threats.whole import SESSION_COOKIE, Heard, database_files, events, is_known, rows, user_id_of

pytestmark = pytest.mark.anyio
NEW = "a fresh pass sentence 7"
CLEO = "cleo@example.com"
NOBODY = "nobody@example.com"


async def ask(browser: Browser, email: str, **headers: str) -> httpx2.Response:
    """The form at /forgot, sent."""
    page = await browser.get("/forgot")
    return await browser.post(
        "/forgot",
        data={"csrf": field_of(page.text, "csrf"), "email": email},
        headers={"origin": ISSUER, **headers},
    )


async def open_link(browser: Browser, path: str) -> httpx2.Response:
    return await browser.get(path)


async def choose(browser: Browser, path: str, password: str = NEW) -> httpx2.Response:
    """The page behind a reset link, and its form with a password."""
    page = await browser.get(path)
    if 'name="t"' not in page.text:
        return page
    return await browser.submit("/reset", page.text, t=field_of(page.text, "t"), password=password)


async def reset_link(issuer: LiveIssuer, server: MailServer, email: str = ADA[0]) -> str:
    """The path of a link that sets this person's password."""
    before = len(server.messages)
    assert (await ask(issuer.browser(), email)).status_code == 200
    await deliver(issuer)
    (mail,) = [mail for mail in server.messages[before:] if "/reset?t=" in text_of(mail)]
    return path_in(mail)


async def sign_up(browser: Browser, email: str, password: str = NEW, name: str = "Cleo") -> httpx2.Response:
    page = await browser.get("/signup")
    return await browser.submit("/signup", page.text, name=name, email=email, password=password)


async def confirm(browser: Browser, path: str, **form: str) -> httpx2.Response:
    """The page behind a verification link, and its form."""
    page = await browser.get(path)
    if 'name="t"' not in page.text:
        return page
    return await browser.submit("/verify", page.text, t=field_of(page.text, "t"), **form)


async def is_verified(issuer: LiveIssuer, email: str) -> bool:
    user = await issuer.services.accounts.find(email)
    assert user is not None
    return user.email_verified_at is not None


def cookies_of(response: httpx2.Response) -> list[str]:
    """What the browser is told to keep."""
    return [value for name, value in response.headers.multi_items() if name == "set-cookie"]


def masked(response: httpx2.Response) -> tuple[Any, ...]:
    """What a stranger sees of an answer, less what is random in every one."""
    text = re.sub(r'name="csrf" value="[^"]*"', "", response.text)
    names = [re.sub(r"=[^;]{8,}", f"={len(value)}", value) for value in cookies_of(response)]
    kept = {
        name: value
        for name, value in response.headers.items()
        if name not in ("set-cookie", "content-length", "date")
    }
    return response.status_code, text, names, kept


# Who has an account


@pytest.mark.threat("PWD-1", off="admit.issuer.accounts.links.transactions:ask_reset")
async def test_forgot_answers_the_same_for_known_and_unknown_addresses(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    answers = [masked(await ask(mailing.browser(), email)) for email in (ADA[0], NOBODY, "ADA@Example.com")]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 200
    await deliver(mailing)
    assert mail_server.handler.receivers == [ADA[0], ADA[0]]


@contextmanager
def work_of(issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Each statement that is run and each hash that is computed, in order."""
    done: list[str] = []
    asking = asyncio.current_task()  # the jobs of the issuer work meanwhile
    run, read, hashed = issuer.db.run, issuer.db.read, BoundedPool.run

    async def counted_run(job: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if asyncio.current_task() is not asking:
            return await run(job, *args, **kwargs)

        def watched(*args: Any, **kwargs: Any) -> Any:
            steps, sent = job(*args, **kwargs), None
            while True:
                try:
                    step = steps.send(sent)
                except StopIteration as end:
                    return end.value
                if isinstance(step, Bound | Many):
                    done.append(step.statement.compiled("sqlite").sql)
                sent = yield step

        return await run(watched, *args, **kwargs)

    async def counted_read(bound: Bound) -> Any:
        if asyncio.current_task() is asking:
            done.append(bound.statement.compiled("sqlite").sql)
        return await read(bound)

    async def counted_hash(self: BoundedPool, work: Callable[[], Any], **where: Any) -> Any:
        done.append("hash")
        return await hashed(self, work, **where)

    with monkeypatch.context() as patch:
        patch.setattr(issuer.db, "run", counted_run)
        patch.setattr(issuer.db, "read", counted_read)
        patch.setattr(BoundedPool, "run", counted_hash)
        yield done


@pytest.mark.threat("PWD-2", off="admit.issuer.accounts.links.transactions:ask_reset")
async def test_forgot_does_the_very_same_work_for_known_and_unknown_addresses(
    mailing: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = []
    for email in (ADA[0], NOBODY):
        visitor = mailing.browser()
        await visitor.get("/forgot")
        with work_of(mailing, monkeypatch) as done:
            await ask(visitor, email)
        work.append(list(done))
    assert work[0] == work[1]
    assert len(work[0]) >= 2
    assert "hash" not in work[0]


async def test_sign_up_answers_the_same_for_free_and_taken_addresses_and_tells_the_owner_only(
    mailing: LiveIssuer, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []
    for email in (CLEO, ADA[0]):
        with work_of(mailing, monkeypatch) as done:
            answers.append(masked(await sign_up(mailing.browser(), email)))
        assert done.count("hash") == 1
    assert answers[0] == answers[1]
    assert answers[0][0] == 200
    assert ADA[0] not in answers[1][1]
    await deliver(mailing)
    (welcome,), (told,) = mail_server.to(CLEO), mail_server.to(ADA[0])
    assert welcome["Subject"] == "Confirm your email address"
    assert told["Subject"] == "You have an account already"
    assert "Cleo" not in welcome.as_string() + told.as_string(), "a stranger's words are mailed to nobody"
    (row,) = [row for row in await rows(mailing, "user_account") if row["email"] == ADA[0]]
    assert row["name"] == ADA[2]


async def test_without_mail_there_is_no_page_for_it_and_sign_up_signs_in(issuer: LiveIssuer) -> None:
    visitor = issuer.browser()
    for path in ("/forgot", "/reset", "/verify"):
        assert (await visitor.get(path)).status_code == 404
    assert "/forgot" not in (await visitor.get("/login")).text
    assert (await sign_up(visitor, CLEO)).status_code == 303


# Where a link leads, and to whom it goes


@pytest.mark.threat("PWD-7", off="admit.issuer.app.dispatch:check_host")
async def test_a_reset_asked_for_under_another_host_is_refused(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    for host in (
        "evil.example",
        "localhost:8410, evil.example",
        "localhost:8410@evil.example",
        "localhost:8410.evil.example",
    ):
        assert (await ask(mailing.browser(), ADA[0], host=host)).status_code in (400, 421), host
    assert await deliver(mailing) == 0


async def test_a_link_begins_with_the_issuer_of_the_settings_whatever_a_header_says(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    for headers in (
        {
            "x-forwarded-host": "evil.example",
            "x-forwarded-proto": "https",
            "x-original-url": "https://evil.example/",
        },
        {"forwarded": "host=evil.example", "x-host": "evil.example", "x-forwarded-server": "evil.example"},
    ):
        await ask(mailing.browser(), ADA[0], **headers)
    await deliver(mailing)
    assert len(mail_server.messages) == 2
    for mail in mail_server.messages:
        assert link_in(mail).startswith(f"{ISSUER}/reset?t=")
        assert "evil" not in mail.as_string()


@pytest.mark.threat("PWD-8", off="admit.issuer.accounts.rules:is_email")
@pytest.mark.threat(
    "PWD-8", off=["admit.issuer.accounts.rules:is_email", "admit.issuer.app.call:refuse_repeated"]
)
async def test_a_reset_is_for_one_address_or_for_none(mailing: LiveIssuer, mail_server: MailServer) -> None:
    for body in (
        "email={ada}&email=m@evil.example",
        "email[]={ada}&email[]=m@evil.example",
        "email={ada},m@evil.example",
        "email={ada};m@evil.example",
        "email={ada}%20m@evil.example",
        "email={ada}%0d%0aBcc:m@evil.example",
        "email={ada}%00m@evil.example",
        "email=%22{ada}%22,m@evil.example",
        "email=M%20%3Cm@evil.example%3E",
    ):
        await refuses(mailing, mail_server, body)


async def refuses(mailing: LiveIssuer, mail_server: MailServer, body: str) -> None:
    """Nobody gets anything of this form."""
    visitor = mailing.browser()
    csrf = field_of((await visitor.get("/forgot")).text, "csrf")
    answer = await visitor.post(
        "/forgot",
        content=f"csrf={csrf}&{body.format(ada=ADA[0])}",
        headers={"origin": ISSUER, "content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 400
    assert await deliver(mailing) == 0
    as_json = await visitor.post(
        "/forgot", json={"csrf": csrf, "email": [ADA[0], "m@evil.example"]}, headers={"origin": ISSUER}
    )
    assert as_json.status_code == 415
    assert await deliver(mailing) == 0
    assert mail_server.handler.receivers == []


async def test_a_reset_goes_to_the_address_as_it_is_stored(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    await ask(mailing.browser(), "ＡＤＡ＠EXAMPLE.com")
    await deliver(mailing)
    assert mail_server.handler.receivers == [ADA[0]]


async def test_a_mailbox_is_not_flooded_and_its_owner_is_not_locked_out(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    limit = KINDS["reset_password"].limit
    for n in range(limit + 4):
        assert (await ask(mailing.browser(f"192.0.2.{n}"), ADA[0])).status_code == 200
    await deliver(mailing)
    assert len(mail_server.messages) == limit
    # Whoever asked, the owner holds a link that works; when it no longer does, a new one can be had.
    assert (await mailing.browser().get(path_in(mail_server.messages[-1]))).status_code == 200
    mailing.clock.advance(15 * 60 + 1)
    assert (await mailing.browser().get(path_in(mail_server.messages[-1]))).status_code == 400
    await reset_link(mailing, mail_server)


async def test_one_network_asks_only_so_often(mailing: LiveIssuer) -> None:
    allowed = AccountsConfig().resets_per_network
    for n in range(allowed):
        assert (await ask(mailing.browser(), f"{n}@example.com")).status_code == 200
    refused = [await ask(mailing.browser(), email) for email in (ADA[0], NOBODY)]
    assert {answer.status_code for answer in refused} == {429}
    assert int(refused[0].headers["retry-after"]) > 0
    assert masked(refused[0])[0] == masked(refused[1])[0]
    assert (await ask(mailing.browser("192.0.2.9"), ADA[0])).status_code == 200


# One use


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


# Second factors and pre-made accounts


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
    assert (await mailing.services.accounts.find(ADA[0])) is not None
    assert (await confirm(visitor, path_in(asked))).status_code == 200
    assert (await mailing.services.accounts.find(ADA[0])) is None
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
    assert await mailing.services.accounts.find(CLEO) is not None


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


async def test_a_mail_speaks_the_language_of_the_account_or_of_who_asked(
    mailing: LiveIssuer, mail_server: MailServer
) -> None:
    await ask(mailing.browser(), ADA[0], **{"accept-language": "zh-CN"})
    await deliver(mailing)
    (mail,) = mail_server.messages
    assert mail["Subject"] == "设置新密码"
    assert "15 分钟" in text_of(mail)
    page = await mailing.browser().get(path_in(mail))
    assert page.headers["content-language"] == "zh-Hans"


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
