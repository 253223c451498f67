"""`/account`: sessions and applications, each to be ended by whose they are."""

import html
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from admit.issuer import RevocationConfig
from admit.issuer.clients.registry import Registry
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import ADA, BO, Browser, LiveIssuer, make_issuer, settings_for
from tests.threats.whole import SESSION_COOKIE, events, user_id_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
OFFLINE = "openid offline_access orders:own"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1"


def text_of(page: str) -> str:
    """The page's words, with one space between them."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def applications(page: str) -> list[str]:
    """The clients that can be ended, in the page's order."""
    return re.findall(r'name="client" value="([^"]+)"', page)


async def test_each_application_is_told_once_with_what_it_may_and_for_how_long(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    assert "No app may act for you." in (await browser.get("/account")).text
    for _ in range(2):
        await browser.tokens()
    issuer.clock.advance(60)
    await browser.tokens(ADA, "native", scope=OFFLINE)
    others = issuer.browser()
    await others.tokens(BO, "web")
    page = (await browser.get("/account")).text
    assert applications(page) == ["native", "spa"], "the one used last first, and nobody else's"
    words = text_of(page)
    for said in (
        "Orders for the terminal Also while you are away Runs on your device",
        "Orders While you are signed in localhost:8411",
        "See your own orders",
        "See everybody's orders",
        "Keep you signed in while you are away",
        "within 30 seconds",
    ):
        assert said in words, said
    assert 'aria-label="End what Orders for the terminal may do"' in page
    chinese = (await browser.get("/account", params={"ui_locales": "zh-Hans"})).text
    assert "你不在时也有效" in chinese
    assert "30 秒内" in chinese


async def test_ending_an_application_ends_all_that_it_was_granted_and_nothing_else(
    issuer: LiveIssuer, browser: Browser
) -> None:
    first, second = await browser.tokens(), await browser.tokens()
    kept = await browser.tokens(ADA, "web")
    others = issuer.browser()
    theirs = await others.tokens(BO)
    page = await browser.get("/account")
    done = await browser.submit("/account", page.text, do="end_app", client="spa")
    assert (done.status_code, done.headers["location"]) == (303, "/account?done=app")
    shown = (await browser.get(done.headers["location"])).text
    assert "That app may not act for you any more." in shown
    assert applications(shown) == ["web"]
    for tokens in (first, second):
        assert (await browser.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await browser.refresh(kept["refresh_token"], "web")).status_code == 200
    assert (await others.refresh(theirs["refresh_token"])).status_code == 200
    told = [record for record in await events(issuer) if record["event"] == "grant.ended"]
    assert [record["user_id"] for record in told] == [await user_id_of(issuer, ADA[0])] * 2
    for client in ("spa", "nobody", "\u202e", "x" * 5_000):
        assert (await browser.submit("/account", page.text, do="end_app", client=client)).status_code == 303
    assert (await browser.submit("/account", page.text, do="end_app")).status_code == 400


async def test_everything_ends_here_there_and_while_away(issuer: LiveIssuer, browser: Browser) -> None:
    online = await browser.tokens()
    offline = await browser.tokens(ADA, "native", scope=OFFLINE)
    elsewhere, others = issuer.browser(), issuer.browser()
    await elsewhere.sign_in()
    await others.sign_in(BO)
    page = await browser.get("/account")
    done = await browser.submit("/account", page.text, do="end_everything")
    assert done.status_code == 200
    assert "You are signed out everywhere" in done.text
    assert any(value.startswith(f"{SESSION_COOKIE}=;") for value in done.headers.get_list("set-cookie"))
    for one, status in ((browser, 401), (elsewhere, 401), (others, 200)):
        assert (await one.get("/api/session")).status_code == status
    for tokens, client in ((online, "spa"), (offline, "native")):
        assert (await browser.refresh(tokens["refresh_token"], client)).json()["error"] == "invalid_grant"


async def test_ending_the_others_leaves_this_browser_and_what_acts_while_away(
    issuer: LiveIssuer, browser: Browser
) -> None:
    elsewhere = issuer.browser()
    offline = await elsewhere.tokens(ADA, "native", scope=OFFLINE)
    await browser.sign_in()
    page = await browser.get("/account")
    assert (await browser.submit("/account", page.text, do="end_others")).status_code == 303
    assert (await elsewhere.get("/api/session")).status_code == 401
    assert (await browser.get("/account")).status_code == 200
    assert (await browser.refresh(offline["refresh_token"], "native")).status_code == 200


@pytest.mark.threat("WEB-csrf", off="admit.issuer.app.context:App.check_csrf")
@pytest.mark.parametrize("do", ["end", "end_others", "end_app", "end_everything", "sign_out"])
async def test_no_form_of_another_page_ends_anything(issuer: LiveIssuer, browser: Browser, do: str) -> None:
    tokens = await browser.tokens()
    sid = (await browser.get("/api/session")).json()["sid"]
    for token, origin in (("", "http://localhost:8410"), ("A" * 43, "http://localhost:8410")):
        form = {"do": do, "session": sid, "client": "spa", "csrf": token}
        refused = await browser.post("/account", data=form, headers={"origin": origin})
        assert refused.status_code == 403
    assert (await browser.get("/account")).status_code == 200
    assert (await browser.refresh(tokens["refresh_token"])).status_code == 200


async def test_an_application_that_the_settings_name_no_more_and_one_that_is_idle(
    issuer: LiveIssuer, browser: Browser
) -> None:
    from admit.issuer.app.pages import apps

    await browser.tokens()
    ada = await issuer.services.accounts.find(ADA[0])
    assert ada is not None
    families = await issuer.services.families.list(ada.id, issuer.clock())
    (shown,) = apps.items(families, (), {}, Registry([], [], issuer=issuer.settings.issuer), ada)
    assert (shown.client_id, shown.client.name, shown.client.host) == ("spa", "spa", None)
    assert await issuer.services.families.list(ada.id, issuer.clock() + 8 * 3600) == [], (
        "its token is worth nothing"
    )


async def test_the_bound_that_is_told_is_the_setting(furnished_sqlite: str, keyring: Keyring) -> None:
    bound = RevocationConfig(max_staleness=timedelta(minutes=3))
    issuer = make_issuer(replace(settings_for(furnished_sqlite), revocation=bound), keyring)
    async with issuer.lifespan():
        browser = issuer.browser()
        await browser.sign_in()
        assert "within 3 minutes" in (await browser.get("/account")).text
        token = (await browser.get("/api/session")).json()["csrf_token"]
        answer = await browser.delete("/api/sessions", headers={"x-csrf-token": token})
        assert answer.json()["refused_within"] == 180
        await browser.aclose()


def as_one(browser: Browser, agent: str) -> Browser:
    """A browser that says what it is."""
    browser.headers["user-agent"] = agent
    return browser


async def test_a_session_has_the_name_that_its_user_gave_it(issuer: LiveIssuer, browser: Browser) -> None:
    as_one(browser, FIREFOX)
    await browser.sign_in()
    sid = (await browser.get("/api/session")).json()["sid"]
    page = await browser.get("/account")
    assert "<bdi>Firefox on Linux</bdi>" in page.text
    done = await browser.submit("/account", page.text, do="name", session=sid, name=" <b>Laptop</b> ")
    assert done.headers["location"] == "/account?done=named"
    shown = (await browser.get(done.headers["location"])).text
    assert "<bdi>&lt;b&gt;Laptop&lt;/b&gt;</bdi>" in shown
    assert "That session has its new name." in shown
    assert "Firefox on Linux" in shown, "what it is stays to be seen"
    refused = await browser.submit("/account", page.text, do="name", session=sid, name="x" * 61)
    assert refused.status_code == 400
    assert "A name is one line of at most 60 characters." in refused.text
    assert 'aria-invalid="true"' in refused.text
    await browser.submit("/account", page.text, do="name", session=sid)
    assert "<bdi>Firefox on Linux</bdi>" in (await browser.get("/account")).text
    listed = (await browser.get("/api/sessions")).json()["sessions"]
    assert [one["name"] for one in listed] == [None]


async def test_a_sign_in_on_a_new_browser_is_asked_about_where_the_user_is_known(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await as_one(browser, FIREFOX).sign_in()
    assert "Was it you?" not in (await browser.get("/account")).text
    thief = as_one(issuer.browser("203.0.113.9"), PHONE)
    await thief.sign_in()
    sid = (await thief.get("/api/session")).json()["sid"]
    there = await thief.get("/account")
    assert "Was it you?" not in there.text, "nobody is asked about the session they look from"
    await thief.submit("/account", there.text, do="known", session=sid)
    page = await browser.get("/account")
    words = text_of(page.text)
    assert "A sign-in on a new browser Safari on iPhone, from 203.0.113.9, just now. Was it you?" in words
    assert "It was me" in words
    done = await browser.submit("/account", page.text, do="known", session=sid)
    assert done.headers["location"] == "/account?done=known"
    assert "Was it you?" not in (await browser.get("/account")).text
    told = [record for record in await events(issuer) if record["event"] == "session.vouched"]
    assert [record["session_id"] for record in told] == [sid]


async def test_an_unknown_sign_in_is_ended_from_where_it_is_asked_about(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await as_one(browser, FIREFOX).sign_in()
    thief = as_one(issuer.browser("203.0.113.9"), PHONE)
    await thief.sign_in()
    sid = (await thief.get("/api/session")).json()["sid"]
    page = await browser.get("/account")
    await browser.submit("/account", page.text, do="end", session=sid)
    assert (await thief.get("/api/session")).status_code == 401
    assert "Was it you?" not in (await browser.get("/account")).text


async def test_the_pages_that_there_are_are_linked_and_no_others(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    page = (await browser.get("/account")).text
    linked = set(re.findall(r'class="change" href="(/account/[a-z-]+)\?', page))
    served = {route.path for route in issuer.routes}
    assert linked == {"/account/password", "/account/second-factor"} & served, "no mail is sent here"
    for path in linked:
        assert (await browser.get(path)).status_code in (200, 303)
