"""MFA-3, SES-7, SES-8: somebody who has an app, or must have one, at every door with the password alone."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx2
import pytest

from admit.errors import RevokedError
from admit.issuer import AccountsConfig
from admit.issuer.accounts.config import SecondFactor
from admit.issuer.accounts.rules import ADMIN_ROLE
from admit.issuer.audit import RequestInfo
from admit.issuer.clients.rules import SESSIONS_SCOPE
from admit.issuer.sessions.rules import hash_id
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import (
    ADA,
    API,
    BO,
    CLIENTS,
    ISSUER,
    Browser,
    LiveIssuer,
    answer_of,
    field_of,
    settings_for,
)
from tests.fixtures.second_factor import Phone, codes_on, secret_on, show, with_app
from tests.threats.steps import CLEO, OFFLINE, alive, asking, lookup, raw_session, running, with_policy
from tests.threats.whole import SESSION_COOKIE, user_id_of

pytestmark = pytest.mark.anyio
GATE = "admit.issuer.factors.assurance:next_step"
ENDS = "admit.issuer.factors.transactions:end_what_the_password_opened"
POLICY = "admit.issuer.factors.assurance:admits"


async def is_nobody(issuer: LiveIssuer, browser: Browser) -> None:
    """No door takes this browser for somebody."""
    for path in ("/api/session", "/api/sessions", "/api/grants", "/api/second-factors"):
        assert (await browser.get(path)).status_code == 401, path
    for path in ("/account", "/account/second-factor", "/account/password"):
        reply = await browser.get(path)
        assert reply.status_code == 303, path
        assert reply.headers["location"].startswith("/login"), path
    silent = await browser.get("/authorize", params=asking(prompt="none"))
    assert answer_of(silent)["error"] == "login_required"
    assert SESSION_COOKIE not in browser.cookies


Door = Callable[[LiveIssuer, Browser], Awaitable[httpx2.Response]]


async def login(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    return await browser.sign_in()


async def authorize(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    return await browser.sign_in(**asking())


async def authorize_login(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    return await browser.sign_in(**asking(prompt="login", max_age="0", acr_values="urn:admit:acr:1fa"))


async def after_reset(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    user_id = await user_id_of(issuer, ADA[0])
    await issuer.services.accounts.set_password(user_id, CLEO[1], info=RequestInfo(), now=issuer.clock.now)
    return await browser.sign_in((ADA[0], CLEO[1], "", ()))


async def from_another_tab(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    waiting = await browser.sign_in(**asking())
    again = await browser.get(waiting.headers["location"])
    assert again.status_code == 200
    silent = await browser.get("/authorize", params=asking(prompt="none"))
    assert answer_of(silent)["error"] == "login_required"
    return waiting


async def after_recovery_page(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    first = await browser.sign_in()
    page = await browser.get(first.headers["location"] + "&way=recovery")
    assert 'autocomplete="off"' in page.text
    done = await browser.get("/login/second-factor/done")
    assert done.headers["location"] == "/account"
    return first


DOORS: dict[str, Door] = {
    "login": login,
    "authorize": authorize,
    "authorize with prompt, max_age and a lower acr": authorize_login,
    "login after a new password": after_reset,
    "another tab": from_another_tab,
    "the recovery page": after_recovery_page,
}


@pytest.mark.threat("MFA-3", off=GATE)
@pytest.mark.threat("SES-8", off=GATE)
@pytest.mark.parametrize("door", DOORS)
async def test_no_door_lets_in_with_the_password_alone(
    issuer: LiveIssuer, browser: Browser, door: str
) -> None:
    phone = await with_app(issuer)
    stopped = await DOORS[door](issuer, browser)
    assert stopped.status_code == 303
    assert stopped.headers["location"].startswith("/login/second-factor?")
    assert await alive(issuer, ADA[0]) == []
    await is_nobody(issuer, browser)
    done = await show(browser, stopped, phone.code(issuer.clock.now))
    assert done.status_code == 303
    assert await alive(issuer, ADA[0]), "with the code it opens"


@pytest.mark.threat("MFA-3", off=ENDS)
async def test_what_was_open_before_the_app_is_over(issuer: LiveIssuer) -> None:
    """The doors of what exists already: session, its look-ups, refresh tokens, a code on its way."""
    browser, elsewhere = issuer.browser(), issuer.browser()
    online = await browser.tokens()
    offline = await browser.tokens(ADA, "native", scope=OFFLINE)
    await elsewhere.sign_in()
    code, verifier = await browser.code()
    raw = raw_session(elsewhere)
    assert await lookup(issuer, raw) == 200
    await with_app(issuer)
    assert await lookup(issuer, raw) == 404
    assert await issuer.sessions.find(hash_id(raw), API, issuer.clock.now) is None
    for one in (browser, elsewhere):
        assert (await one.get("/api/session")).status_code == 401
        assert (
            answer_of(await one.get("/authorize", params=asking(prompt="none")))["error"] == "login_required"
        )
    for tokens, client in ((online, "spa"), (offline, "native")):
        assert (await browser.refresh(tokens["refresh_token"], client)).json()["error"] == "invalid_grant"
    assert (await browser.redeem(code, verifier)).json()["error"] == "invalid_grant"
    await issuer.follow_once()
    with pytest.raises(RevokedError):
        await issuer.verifier.verify(online["access_token"])


@pytest.mark.threat("MFA-3", off=POLICY)
async def test_a_stricter_policy_holds_for_sessions_grants_and_codes_from_before(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    agent = replace(CLIENTS[0], scopes=CLIENTS[0].scopes | {SESSIONS_SCOPE}, userinfo_audience=False)
    settings = settings_for(furnished_sqlite, client=(agent, *CLIENTS[1:]))
    async with running(settings, keyring) as before:
        browser = before.browser()
        own = await browser.tokens(scope=f"openid {SESSIONS_SCOPE}", resource=ISSUER)
        bearer = {"authorization": f"Bearer {own['access_token']}"}
        assert (await before.browser().get("/api/sessions", headers=bearer)).status_code == 200
        tokens = await browser.tokens(ADA, "native", scope=OFFLINE)
        code, verifier = await browser.code()
        kept, raw, now = dict(browser.cookies), raw_session(browser), before.clock.now
        assert await lookup(before, raw) == 200
    async with running(with_policy(settings, SecondFactor.REQUIRED), keyring, now + 1) as issuer:
        browser = issuer.browser()
        browser.cookies.update(kept)
        assert (await browser.get("/api/session")).status_code == 401
        assert await lookup(issuer, raw) == 404
        assert (await issuer.browser().get("/api/sessions", headers=bearer)).status_code == 401
        silent = await browser.get("/authorize", params=asking(prompt="none"))
        assert answer_of(silent)["error"] == "login_required"
        assert (await browser.refresh(tokens["refresh_token"], "native")).json()["error"] == "invalid_grant"
        assert (await browser.redeem(code, verifier)).json()["error"] == "invalid_grant"


@pytest.mark.threat("MFA-3", off=GATE)
@pytest.mark.parametrize("door", ["login", "signup", "authorize"])
async def test_where_it_is_required_an_app_is_added_before_anything_else(
    furnished_sqlite: str, keyring: Keyring, door: str
) -> None:
    settings = with_policy(settings_for(furnished_sqlite), SecondFactor.REQUIRED)
    async with running(settings, keyring) as issuer:
        browser, email = issuer.browser(), ADA[0]
        if door == "signup":
            page, email = await browser.get("/signup"), CLEO[0]
            stopped = await browser.submit("/signup", page.text, email=email, name="Cleo", password=CLEO[1])
        else:
            stopped = await browser.sign_in(**(asking() if door == "authorize" else {}))
        location = stopped.headers["location"]
        assert location.startswith("/login/second-factor/add?")
        assert await alive(issuer, email) == []
        await is_nobody(issuer, browser)
        page = await browser.get(location)
        assert "Not now" not in page.text
        phone = Phone(secret_on(page.text), None)  # type: ignore[arg-type]  # whose it is does not matter here
        handle, code = field_of(page.text, "p"), phone.code(issuer.clock.now)
        refused = await browser.submit(
            "/login/second-factor/add", page.text, p=handle, code=code, do="refuse", name="x" * 61
        )
        assert refused.status_code == 400, "neither without an app, nor with such a name"
        by_code = await browser.submit("/login/second-factor", page.text, p=handle, code=code)
        assert by_code.status_code == 400, "an app that is not there yet proves nothing"
        assert await alive(issuer, email) == []
        added = await browser.submit("/login/second-factor/add", page.text, p=handle, code=code, name="")
        assert added.status_code == 200
        assert len(codes_on(added.text)) == 10
        assert (await browser.get("/api/session")).status_code == 200
        if door == "authorize":
            on = await browser.get("/login/second-factor/done", params={"i": field_of(page.text, "i")})
            assert "code" in answer_of(on)


@pytest.mark.threat("MFA-3", off=GATE)
async def test_operators_must_where_the_policy_says_so_and_others_need_not(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    settings = with_policy(settings_for(furnished_sqlite), SecondFactor.OPERATORS)
    async with running(settings, keyring) as issuer:
        ada = await user_id_of(issuer, ADA[0])
        await issuer.services.accounts.add_role(ada, ADMIN_ROLE, info=RequestInfo(), now=issuer.clock.now)
        assert (await issuer.browser().sign_in(BO)).headers["location"] == "/account"
        stopped = await issuer.browser().sign_in(ADA)
        assert stopped.headers["location"].startswith("/login/second-factor/add?")


def test_nobody_has_to_have_one_unless_the_settings_say_so() -> None:
    assert AccountsConfig().second_factor is SecondFactor.OPTIONAL
