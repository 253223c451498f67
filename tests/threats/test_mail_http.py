"""PWD-1, PWD-2, PWD-7, PWD-8: what asking for mail tells a stranger, where a link leads and to whom it goes, with a
real mail server."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.pool import BoundedPool
from admit.issuer.outbox import KINDS
from admit.issuer.storage import Bound, Many
from tests.fixtures.issuer import ADA, ISSUER, LiveIssuer, field_of
from tests.fixtures.mail import (
    MailServer,
    deliver,
    link_in,
    path_in,
    text_of,
)
from tests.threats.mailing import (
    CLEO,
    NOBODY,
    ask,
    masked,
    reset_link,
    sign_up,
)
from tests.threats.whole import rows

pytestmark = pytest.mark.anyio


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
    for path in ("/forgot", "/verify"):
        assert (await visitor.get(path)).status_code == 404
    assert (await visitor.get("/reset")).status_code == 400, "for links that an operator handed over"
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
