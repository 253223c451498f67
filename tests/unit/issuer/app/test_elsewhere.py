"""An application keeps the accounts: whoever it lets go of has nothing left, and nothing of an account is done here."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from admit.errors import ConfigError, RevokedError
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.errors import AccountElsewhereError
from admit.issuer.app.issuer import Issuer
from admit.issuer.audit import RequestInfo
from admit.issuer.outbox import MailConfig
from admit.issuer.storage import Keyring
from tests.fixtures.accounts_elsewhere import CAT, Application, Row, cat, issuer_beside
from tests.fixtures.issuer import Browser, LiveIssuer, settings_for

pytestmark = pytest.mark.anyio

PATHS = ("/signup", "/forgot", "/reset", "/verify", "/account/password", "/account/email")
ME = "u_7"


@pytest.fixture
def application() -> Application:
    return Application(cat(), Row(key="8", login="dog", name="Dog", password="a bone and its yard"))


@pytest.fixture
async def beside(
    application: Application, furnished_sqlite: str, keyring: Keyring
) -> AsyncIterator[LiveIssuer]:
    made = issuer_beside(application, furnished_sqlite, keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


@pytest.fixture
def browser(beside: LiveIssuer) -> Browser:
    return beside.browser()


async def is_signed_in(browser: Browser) -> bool:
    return (await browser.get("/account")).status_code == 200


async def test_somebody_signs_in_with_the_applications_password_and_has_its_subject_roles_and_claims(
    application: Application, beside: LiveIssuer, browser: Browser
) -> None:
    application.change(
        "7", roles={"admin", "not a name"}, groups=["mice"], email="Cat@Example.com", email_verified=True
    )
    application.more = {"given_name": "Cat", "phone_number": "call me", "zoneinfo": "Asia/Shanghai"}
    tokens = await browser.tokens(CAT, scope="openid profile email orders:read")
    principal = await beside.verifier.verify(tokens["access_token"])
    assert (principal.subject, principal.roles, principal.groups) == (ME, {"admin"}, {"mice"})
    assert "orders:read" in principal.scopes
    info = (
        await browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    ).json()
    assert info["sub"] == ME
    assert (info["name"], info["given_name"], info["zoneinfo"]) == ("Cat", "Cat", "Asia/Shanghai")
    assert (info["email"], info["email_verified"]) == ("Cat@Example.com", True)
    assert "phone_number" not in info


async def test_what_is_no_address_is_told_as_none(application: Application, browser: Browser) -> None:
    tokens = await browser.tokens(CAT, scope="openid email")
    header = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await browser.get("/userinfo", headers=header)).json() == {"sub": ME}
    account = (await browser.get("/account")).text
    assert "User name" in account
    assert "not confirmed" not in account


async def test_a_wrong_password_an_unknown_name_and_an_inactive_account_are_refused_alike(
    application: Application, beside: LiveIssuer
) -> None:
    application.change("8", active=False)
    said = []
    for who in (
        ("cat", "wrong"),
        ("nobody", "wrong"),
        ("dog", "a bone and its yard"),
        ("u_7", CAT[1]),
        ("7", CAT[1]),
    ):
        answer = await beside.browser().sign_in((*who, "", ()))
        assert answer.status_code == 400
        said.append("User name and password do not match" in answer.text)
    assert said == [True] * 5
    assert application.compared == ["7", None, "8", None, None]


async def test_the_page_asks_for_a_user_name_and_offers_nothing_that_is_done_elsewhere(
    browser: Browser,
) -> None:
    page = (await browser.get("/login")).text
    assert "User name" in page
    assert 'type="email"' not in page
    assert "/signup" not in page
    assert "/forgot" not in page
    missing = await browser.submit("/login", page, email="", password="x")
    assert "Type your user name." in missing.text
    await browser.sign_in(CAT)
    account = (await browser.get("/account")).text
    assert "/account/password" not in account
    assert "/account/email" not in account
    assert "/account/second-factor" in account


async def test_pages_that_change_accounts_say_where_that_is_done(browser: Browser) -> None:
    await browser.sign_in(CAT)
    for path in PATHS:
        for answer in (await browser.get(path), await browser.post(path, data={"name": "x"})):
            assert answer.status_code == 404
            assert "This is not done here" in answer.text


async def test_no_command_changes_an_account_that_is_kept_elsewhere(
    application: Application, beside: LiveIssuer, browser: Browser, keyring: Keyring
) -> None:
    await browser.sign_in(CAT)
    one = {"info": RequestInfo(), "now": beside.clock()}
    plain = Issuer(beside.settings, keyring=keyring)  # a command's: it knows of no application
    async with plain.opened():
        for services in (beside.services, plain.services):
            accounts, links = services.accounts, services.links
            for changed in (
                accounts.add_role(ME, "admin", **one),
                accounts.remove_group(ME, "mice", **one),
                accounts.set_password(ME, "three words here", **one),
                accounts.set_claims(ME, {"name": "Dog"}, **one),
                links.hand_over(ME, void=False, **one),
                links.hand_over(ME, void=True, **one),
            ):
                with pytest.raises(AccountElsewhereError):
                    await changed
    for changed in (
        beside.services.accounts.add(email="x@example.com", name="X", password="three words here", **one),
        beside.services.accounts.sign_up(email="x@example.com", name="X", password="three words here", **one),
    ):
        with pytest.raises(AccountElsewhereError):
            await changed
    assert await is_signed_in(browser)


@pytest.mark.threat("SES-6", off="admit.issuer.accounts.elsewhere.driver:AccountsElsewhere._is_believed")
@pytest.mark.parametrize("how", ["disabled", "removed"])
async def test_who_is_gone_is_out_at_once_where_it_is_said_and_else_within_the_time_that_is_believed(
    application: Application, beside: LiveIssuer, browser: Browser, how: str
) -> None:
    tokens = await browser.tokens(CAT)
    if how == "disabled":
        application.change("7", active=False)
    else:
        del application.rows["7"]
    assert await is_signed_in(browser), "not asked again yet"
    beside.clock.advance(31)
    assert not await is_signed_in(browser)
    await beside.follow_once()
    with pytest.raises(RevokedError):
        await beside.verifier.verify(tokens["access_token"])


@pytest.mark.threat("SES-6", off="admit.issuer.accounts.elsewhere.transactions:gone")
async def test_one_call_ends_all_that_a_disabled_account_had(
    application: Application, beside: LiveIssuer, browser: Browser
) -> None:
    tokens = await browser.tokens(CAT, client="native", scope="openid offline_access orders:own")
    await beside.accounts_changed(ME)
    assert await is_signed_in(browser), "nothing changed"
    application.change("7", active=False)
    await beside.accounts_changed(ME)
    with pytest.raises(RevokedError):
        await beside.verifier.verify(tokens["access_token"])
    assert not await is_signed_in(browser)
    assert (await browser.refresh(tokens["refresh_token"], "native")).json()["error"] == "invalid_grant"
    application.change("7", active=True)
    assert not await is_signed_in(browser), "what was ended stays so"
    assert (await browser.sign_in(CAT)).status_code == 303


async def test_a_refresh_asks_first_and_a_gone_user_gets_nothing(
    application: Application, beside: LiveIssuer, browser: Browser
) -> None:
    tokens = await browser.tokens(CAT)
    beside.clock.advance(31)
    refreshed = await browser.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200
    application.change("7", active=False)
    beside.clock.advance(31)
    again = await browser.refresh(refreshed.json()["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


async def test_while_the_application_does_not_answer_nobody_is_let_in_and_nothing_is_lost(
    application: Application, beside: LiveIssuer, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = await browser.tokens(CAT)
    application.failing = RuntimeError("no such table: with a secret in it")
    beside.clock.advance(31)
    with caplog.at_level(logging.WARNING, "admit.issuer.accounts"):
        assert (await browser.get("/account")).status_code == 503
        for _ in range(3):
            assert (await browser.refresh(tokens["refresh_token"])).status_code == 503
            beside.clock.advance(60)  # past the grace of a reply that was lost
        page = await beside.browser().sign_in(CAT)
        assert page.status_code == 503
    assert "a secret in it" not in caplog.text
    application.failing = None
    refreshed = (await browser.refresh(tokens["refresh_token"])).json()
    assert await is_signed_in(browser)
    application.failing = RuntimeError()
    assert (await beside.end_sessions(ME)).sessions == 1, "what there is can be ended all the same"
    application.failing = None
    assert (await browser.refresh(refreshed["refresh_token"])).status_code == 400


async def test_an_answer_that_does_not_come_is_none(
    application: Application, furnished_sqlite: str, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = AccountsConfig(answer_within=timedelta(milliseconds=10))
    made = issuer_beside(application, furnished_sqlite, keyring, accounts=config)

    async def never(identifier: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(application, "find", never)
    async with made.lifespan(), made.browser() as browser:
        assert (await browser.sign_in(CAT)).status_code == 503


async def test_another_password_ends_what_the_old_one_opened_and_a_sign_in_under_way(
    application: Application, beside: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in(CAT)
    other = beside.browser()
    await other.sign_in(CAT)
    application.change("7", password="nine lives and a tail")
    assert (await beside.browser().sign_in(CAT)).status_code == 400
    assert (await beside.browser().sign_in((CAT[0], "nine lives and a tail", "", ()))).status_code == 303
    assert not await is_signed_in(browser)
    assert not await is_signed_in(other)


async def test_a_lost_role_ends_everything_and_a_new_one_the_sessions(
    application: Application, beside: LiveIssuer, browser: Browser
) -> None:
    offline = {"client": "native", "scope": "openid offline_access orders:own"}
    application.change("7", roles={"admin"})
    tokens = await browser.tokens(CAT, **offline)
    application.change("7", roles=())
    await beside.accounts_changed(ME)
    assert (await browser.refresh(tokens["refresh_token"], "native")).status_code == 400
    tokens = await browser.tokens(CAT, **offline)
    application.change("7", roles={"admin"})
    await beside.accounts_changed(ME)
    assert not await is_signed_in(browser)
    refreshed = (await browser.refresh(tokens["refresh_token"], "native")).json()
    assert (await beside.verifier.verify(refreshed["access_token"])).roles == {"admin"}


async def test_another_name_is_shown_and_ends_nothing(
    application: Application, beside: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in(CAT)
    application.change("7", name="Katze")
    beside.clock.advance(31)
    assert "Katze" in (await browser.get("/account")).text


async def test_an_operator_may_bar_somebody_besides_and_the_application_does_not_lift_it(
    application: Application, beside: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in(CAT)
    await beside.services.accounts.disable(ME, info=RequestInfo(), now=beside.clock())
    assert not await is_signed_in(browser)
    await beside.accounts_changed(ME)
    assert (await browser.sign_in(CAT)).status_code == 400
    await beside.services.accounts.enable(ME, info=RequestInfo(), now=beside.clock())
    assert (await browser.sign_in(CAT)).status_code == 303


async def test_the_password_is_typed_once_more_for_who_is_signed_in_whatever_the_page_calls_them(
    application: Application, beside: LiveIssuer, browser: Browser
) -> None:
    application.change("7", email="Cat@Example.com")
    await browser.sign_in(CAT)
    beside.clock.advance(3_600)
    page = await browser.get("/login?again=1&next=second-factor")
    assert 'value="Cat@Example.com"' in page.text
    form = {"email": "Cat@Example.com", "again": "1", "next": "second-factor"}
    wrong = await browser.submit("/login", page.text, password="a bone and its yard", **form)
    assert wrong.status_code == 400
    good = await browser.submit("/login", page.text, password=CAT[1], **form)
    assert good.headers["location"].startswith("/account/second-factor")


async def test_tries_are_counted_by_account_whatever_is_typed_and_not_while_nothing_is_compared(
    application: Application, beside: LiveIssuer
) -> None:
    application.failing = RuntimeError()
    for _ in range(12):
        assert (await beside.browser().sign_in((CAT[0], "wrong", "", ()))).status_code == 503
    application.failing = None
    names = ("cat", "Cat", "CAT", "cAt", "caT")
    for name in names * 2:
        assert (await beside.browser().sign_in((name, "wrong", "", ()))).status_code == 400
    assert (await beside.browser().sign_in(("cAT", "wrong", "", ()))).status_code == 429


async def test_many_look_ups_at_once_ask_once(
    application: Application, beside: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in(CAT)
    beside.clock.advance(31)
    before = application.asked
    await asyncio.gather(*(is_signed_in(browser) for _ in range(5)))
    assert application.asked == before + 1


async def test_an_account_of_admits_own_is_nobody_here_and_its_subject_no_applications_key(
    application: Application, beside: LiveIssuer, keyring: Keyring
) -> None:
    assert (await beside.browser().sign_in()).status_code == 400
    own = Issuer(beside.settings, keyring=keyring)
    async with own.opened():
        ada = await own.services.accounts.find("ada@example.com")
    assert ada is not None
    key = ada.id.removeprefix("u_")
    application.rows[key] = replace(cat(), key=key, login="thief")
    assert (await beside.browser().sign_in(("thief", CAT[1], "", ()))).status_code == 503


async def test_settings_for_own_accounts_only_are_refused(application: Application, keyring: Keyring) -> None:
    mail = MailConfig(url="console:", sender="x@example.com")
    settings = settings_for("sqlite:///x", accounts=AccountsConfig(require_verified_email=True), mail=mail)
    with pytest.raises(ConfigError, match="require_verified_email"):
        Issuer(settings, accounts=application, keyring=keyring)
