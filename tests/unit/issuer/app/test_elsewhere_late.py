"""What an application said of an account before it changed is taken over by nobody after the change was told."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from admit.errors import SessionError
from admit.issuer.accounts.errors import AccountElsewhereError, AccountsUnavailableError, UserNotFoundError
from admit.issuer.audit import RequestInfo
from admit.issuer.storage import Keyring
from tests.fixtures.accounts_elsewhere import CAT, Application, Row, cat, issuer_beside
from tests.fixtures.first_party import WITH_APP
from tests.fixtures.issuer import ISSUER, Browser, LiveIssuer

pytestmark = pytest.mark.anyio

ME = "u_7"
OVER = pytest.mark.threat("SES-6", off="admit.issuer.accounts.elsewhere.transactions:is_over")
STAYS = pytest.mark.threat("O-3", off="admit.issuer.accounts.elsewhere.transactions:is_over")
OTHER = "a wholly other password"


class Late(Application):
    """Holds one answer back, whose question is in `holds`, until `let_go`."""

    def __init__(self, *rows: Row) -> None:
        super().__init__(*rows)
        self.holds: str | None = None
        self.inside = asyncio.Event()
        self.let_go = asyncio.Event()

    async def check_password(self, account: Row | None, password: str) -> bool:
        right = await super().check_password(account, password)
        await self._wait("check_password")
        return right

    async def claims(self, account: Row) -> Mapping[str, Any]:
        await self._wait("claims")
        return await super().claims(account)

    async def _wait(self, name: str) -> None:
        if self.holds == name:
            self.holds = None
            self.inside.set()
            await self.let_go.wait()


@pytest.fixture
def application() -> Late:
    return Late(replace(cat(), roles=("admin",)))


@pytest.fixture
async def pair(
    application: Late, database_url: str, keyring: Keyring
) -> AsyncIterator[tuple[LiveIssuer, LiveIssuer]]:
    """Two nodes on one database."""
    one = issuer_beside(application, database_url, keyring, client=WITH_APP)
    other = issuer_beside(application, database_url, keyring, client=WITH_APP, clock=one.clock)
    async with one.opened(), other.opened():
        yield one, other
        for made in (one, other):
            for browser in made.open_browsers:
                await browser.aclose()


@pytest.fixture
async def beside(application: Late, furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    made = issuer_beside(application, furnished_sqlite, keyring, client=WITH_APP)
    async with made.opened():
        yield made
        for browser in made.open_browsers:
            await browser.aclose()


async def signing_in(application: Late, issuer: LiveIssuer, holds: str) -> "asyncio.Task[int]":
    """Somebody who signs in, and waits for an answer of the application."""

    async def sign_in() -> int:
        return (await issuer.browser().sign_in(CAT)).status_code

    application.holds = holds
    task = asyncio.create_task(sign_in())
    inside = asyncio.create_task(application.inside.wait())
    await asyncio.wait({task, inside}, return_when=asyncio.FIRST_COMPLETED)
    assert inside.done(), "it was never asked"
    return task


async def roles(issuer: LiveIssuer) -> frozenset[str]:
    kept = await issuer.services.accounts.kept(ME)
    assert kept is not None
    return kept.roles


@pytest.mark.parametrize(
    "how",
    [
        "demoted",  # the row says no more what the answer does, and the answer what the row said: none is written
        pytest.param("disabled", marks=(OVER, STAYS)),
        pytest.param("promoted for a moment", marks=OVER),
    ],
)
async def test_a_late_answer_on_one_node_is_not_written_over_what_another_was_told(
    application: Late, pair: tuple[LiveIssuer, LiveIssuer], how: str
) -> None:
    one, other = pair
    if how == "promoted for a moment":
        application.change("7", roles=())
    assert (await one.browser().sign_in(CAT)).status_code == 303
    if how == "promoted for a moment":
        application.change("7", roles=("admin",))
    task = await signing_in(application, one, "claims")
    application.change("7", roles=(), active=how != "disabled")
    await other.accounts_changed(ME)
    application.let_go.set()
    assert await task == (400 if how == "disabled" else 303)
    assert how == "disabled" or await roles(other) == frozenset()
    assert how == "disabled" or await one.services.accounts.get(ME) == await other.services.accounts.kept(ME)


@pytest.mark.threat("SES-6", off="admit.issuer.accounts.elsewhere.driver:AccountsElsewhere._check_current")
async def test_who_was_never_seen_and_is_removed_while_they_sign_in_is_not_let_in(
    application: Late, beside: LiveIssuer
) -> None:
    task = await signing_in(application, beside, "claims")
    del application.rows["7"]
    await beside.accounts_changed(ME)
    application.let_go.set()
    assert await task == 400
    assert await beside.services.accounts.kept(ME) is None


@pytest.mark.threat("SES-6", off="admit.issuer.accounts.elsewhere.transactions:gone")
async def test_a_password_that_was_right_before_the_account_was_disabled_begins_no_session_after(
    application: Late, beside: LiveIssuer
) -> None:
    accounts, info, now = beside.services.accounts, RequestInfo(), beside.clock()
    checked = await accounts.check_password(email=CAT[0], password=CAT[1], info=info, now=now)
    assert checked is not None
    begin = partial(
        beside.services.sessions.start, checked, auth_time=now, acr="1", amr=("pwd",), info=info, now=now
    )
    await begin()
    application.change("7", active=False)
    await beside.accounts_changed(ME)
    with pytest.raises(SessionError):
        await begin()


async def test_what_was_said_is_believed_from_when_it_was_asked(
    application: Late, beside: LiveIssuer
) -> None:
    task = await signing_in(application, beside, "claims")
    beside.clock.advance(31)
    application.let_go.set()
    assert await task == 303
    before = application.asked
    await beside.services.accounts.get(ME)
    assert application.asked == before + 1
    await beside.services.accounts.get(ME)
    assert application.asked == before + 1


async def test_who_changes_all_the_time_is_not_let_in(application: Late, beside: LiveIssuer) -> None:
    async def changing(account: Row) -> Mapping[str, Any]:
        await beside.services.accounts.changed(ME)
        return {}

    application.claims = changing  # type: ignore[method-assign]  # an application whose accounts never rest
    with pytest.raises(AccountsUnavailableError):
        await beside.services.accounts.get(ME)


@pytest.mark.threat("SES-6", off="admit.issuer.accounts.elsewhere.driver:AccountsElsewhere._same_password")
@pytest.mark.parametrize("told", [True, False], ids=["told", "found out"])
async def test_an_old_password_that_was_compared_for_long_opens_nothing(
    application: Late, beside: LiveIssuer, told: bool
) -> None:
    task = await signing_in(application, beside, "check_password")
    application.change("7", password=OTHER)
    if told:
        await beside.accounts_changed(ME)
    application.let_go.set()
    assert await task == 400
    assert application.compared == ["7", "7"], "the new one was compared too"
    assert (await beside.browser().sign_in((CAT[0], OTHER, "", ()))).status_code == 303


async def test_a_right_password_that_is_hashed_anew_while_it_is_compared_signs_in(
    application: Late, beside: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = iter(("first", "anew"))
    monkeypatch.setattr(Row, "stamp", property(lambda self: stamp))
    stamp = next(hashed)
    task = await signing_in(application, beside, "check_password")
    stamp = next(hashed)
    application.let_go.set()
    assert await task == 303


async def test_who_was_removed_in_the_application_can_be_forgotten_and_nobody_else(
    application: Late, beside: LiveIssuer
) -> None:
    browser = beside.browser()
    await browser.sign_in(CAT)
    for active in (True, False):
        application.change("7", active=active)
        with pytest.raises(AccountElsewhereError):
            await beside.remove_user(ME)
    application.failing = RuntimeError()
    with pytest.raises(AccountsUnavailableError):
        await beside.remove_user(ME)
    application.failing = None
    row = application.rows.pop("7")
    await beside.remove_user(ME)
    assert await beside.services.accounts.kept(ME) is None
    assert (await browser.get("/account")).status_code == 303
    with pytest.raises(UserNotFoundError):
        await beside.remove_user(ME)
    application.rows["7"] = replace(row, active=True)
    assert (await beside.browser().sign_in(CAT)).status_code == 400, "nobody is given that subject again"


async def test_a_key_of_one_dash_is_somebody_and_unknown_names_are_not_told_as_theirs(
    application: Late, beside: LiveIssuer
) -> None:
    application.rows["-"] = replace(cat(), key="-", login="dash")
    assert (await beside.browser().sign_in(("dash", CAT[1], "", ()))).status_code == 303
    assert (await beside.browser().sign_in(("nobody", "x", "", ()))).status_code == 400
    assert (await beside.browser().sign_in(("dash", "x", "", ()))).status_code == 400
    from sqlalchemy import select

    from admit.issuer.audit.store import audit
    from admit.issuer.storage import Statement

    failed = select(audit.c.user_id).where(audit.c.event == "login.failed")
    assert {row["user_id"] for row in await beside.db.read(Statement(failed)())} == {None, "u_-"}


@pytest.fixture
async def signed_in(application: Late, beside: LiveIssuer) -> tuple[Browser, str]:
    """A browser whose application has just stopped to answer, and its account page."""
    browser = beside.browser()
    await browser.sign_in(CAT)
    page = (await browser.get("/account")).text
    application.failing = RuntimeError()
    beside.clock.advance(31)
    assert (await browser.get("/account")).status_code == 503
    return browser, page


async def is_out(application: Late, browser: Browser) -> bool:
    application.failing = None
    return (await browser.get("/account")).status_code == 303


async def test_signing_out_needs_no_answer_of_the_application(
    application: Late, signed_in: tuple[Browser, str]
) -> None:
    browser, _ = signed_in
    asked = await browser.get("/logout")
    assert asked.status_code == 200
    assert (await browser.submit("/logout", asked.text)).status_code == 200
    assert await is_out(application, browser)


@pytest.mark.parametrize("do", ["sign_out", "end_everything", "name"])
async def test_on_the_account_page_what_ends_needs_no_answer_of_the_application_and_what_changes_does(
    application: Late, signed_in: tuple[Browser, str], do: str
) -> None:
    browser, page = signed_in
    answer = await browser.submit("/account", page, do=do, session="x", name="y")
    assert answer.status_code == (503 if do == "name" else 200)
    assert await is_out(application, browser) is (do != "name")


async def test_an_applications_page_signs_out_while_the_application_does_not_answer(
    application: Late, beside: LiveIssuer
) -> None:
    browser = beside.browser()
    await browser.sign_in(CAT)
    token = (await browser.get("/api/session")).json()["csrf_token"]
    application.failing = RuntimeError()
    beside.clock.advance(31)
    assert (await browser.get("/api/session")).status_code == 503
    headers = {"origin": ISSUER, "x-csrf-token": token}
    assert (await browser.delete("/api/session", headers=headers)).status_code == 204
    assert await is_out(application, browser)


async def test_one_change_may_be_told_many_times_at_once_on_each_node(
    application: Late, pair: tuple[LiveIssuer, LiveIssuer]
) -> None:
    one, other = pair
    assert (await one.browser().sign_in(CAT)).status_code == 303
    application.change("7", roles=())
    await asyncio.gather(*(node.accounts_changed(ME) for node in (one, other) for _ in range(20)))
    assert await roles(one) == frozenset()
