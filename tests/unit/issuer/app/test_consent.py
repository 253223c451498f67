"""Consent over HTTP: remembered for those who can be told apart, asked again for what is new, taken back as a whole."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from admit.issuer.clients.rules import SESSIONS_SCOPE
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import (
    ADA,
    CLIENTS,
    ISSUER,
    RESOURCE,
    Browser,
    LiveIssuer,
    answer_of,
    make_issuer,
    pkce,
    request_of,
    settings_for,
)

pytestmark = pytest.mark.anyio
_SPA, NATIVE, WEB = CLIENTS
STRANGER = replace(WEB, id="stranger", name="Nobody knows whose", trusted=False)


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """With a client that registered itself, and one that may end sessions."""
    clients = (*CLIENTS[:2], replace(WEB, scopes=WEB.scopes | {SESSIONS_SCOPE, "offline_access"}), STRANGER)
    made = make_issuer(settings_for(furnished_sqlite, client=clients), keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


def asking(client: str = "web", scope: str = "openid profile", **changes: str) -> dict[str, str]:
    """A request whose code is not redeemed."""
    target = request_of("web" if client == "stranger" else client)
    return {**target, "client_id": client, "scope": scope, "code_challenge": pkce()[1], **changes}


async def authorize(browser: Browser, client: str = "web", **changes: str) -> httpx2.Response:
    return await browser.get("/authorize", params=asking(client, **changes))


def is_asked(answer: httpx2.Response) -> bool:
    return answer.headers.get("location", "").startswith("/consent?")


async def answer(browser: Browser, asked: httpx2.Response, **form: str) -> httpx2.Response:
    page = await browser.get(asked.headers["location"])
    return await browser.submit("/consent", page.text, **{"decision": "allow", **form})


@pytest.mark.rfc("OIDC Core", "3.1.2.4")
async def test_a_yes_is_remembered_and_prompt_consent_asks_all_the_same(browser: Browser) -> None:
    await browser.sign_in()
    asked = await authorize(browser)
    assert is_asked(asked)
    assert "code" in answer_of(await answer(browser, asked))
    for prompt in ({}, {"prompt": "none"}, {"scope": "openid"}):
        assert "code" in answer_of(await authorize(browser, **prompt)), prompt
    assert is_asked(await authorize(browser, prompt="consent"))


async def test_a_no_is_not_remembered(browser: Browser) -> None:
    await browser.sign_in()
    refused = await answer(browser, await authorize(browser), decision="refuse")
    assert answer_of(refused)["error"] == "access_denied"
    assert is_asked(await authorize(browser))
    silent = await authorize(browser, prompt="none")
    assert answer_of(silent)["error"] == "consent_required"


@pytest.mark.soak
async def test_another_users_yes_is_not_this_users(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    await answer(browser, await authorize(browser))
    other = issuer.browser()
    await other.sign_in(("bo@example.com", "staple of the station", "Bo", ()))
    assert is_asked(await authorize(other))


@pytest.mark.threat("6819-4.2.2", off="admit.issuer.consents.rules:unanswered")
async def test_what_is_new_is_asked_about_and_marked_as_new(browser: Browser) -> None:
    await browser.sign_in()
    await answer(browser, await authorize(browser))
    asked = await authorize(browser, scope="openid profile email")
    assert is_asked(asked)
    page = await browser.get(asked.headers["location"])
    assert page.text.count('class="badge here">New') == 1
    await answer(browser, asked)
    assert "code" in answer_of(await authorize(browser, scope="openid email"))


@pytest.mark.threat("6819-4.2.2", off="admit.issuer.consents.rules:ticked")
async def test_what_was_unticked_is_not_granted_and_not_asked_about_again(browser: Browser) -> None:
    await browser.sign_in()
    scope = "openid profile email"
    for again in (False, True):
        verifier, challenge = pkce()
        asked = await authorize(browser, scope=scope, code_challenge=challenge)
        assert is_asked(asked) is not again
        done = asked if again else await answer(browser, asked, **{"ticked": "1", "keep:profile": "1"})
        tokens = (await browser.redeem(answer_of(done)["code"], verifier, "web")).json()
        assert tokens["scope"] == "openid profile"
    page = await browser.get((await authorize(browser, scope=f"{scope} orders:own")).headers["location"])
    assert 'name="keep:profile" value="1" autocomplete="off" checked' in page.text
    assert 'name="keep:email" value="1" autocomplete="off">' in page.text, (
        "a refused one comes without its tick"
    )


@pytest.mark.soak
async def test_a_box_that_was_not_shown_gives_nothing(browser: Browser) -> None:
    await browser.sign_in()
    verifier, challenge = pkce()
    asked = await authorize(browser, code_challenge=challenge)
    done = await answer(browser, asked, **{"ticked": "1", "keep:profile": "1", "keep:orders:read": "1"})
    tokens = (await browser.redeem(answer_of(done)["code"], verifier, "web")).json()
    assert tokens["scope"] == "openid profile"


@pytest.mark.rfc("OIDC Core", "11")
@pytest.mark.threat("6819-4.4.3.3", off="admit.issuer.consents.rules:unanswered")
async def test_staying_signed_in_is_asked_about_each_time_and_can_be_left_out(browser: Browser) -> None:
    await browser.sign_in()
    scope = "openid offline_access"
    asked = await authorize(browser, scope=scope)
    page = await browser.get(asked.headers["location"])
    assert "Keep you signed in while you are away" in page.text
    assert "You are asked again each time" in page.text
    await answer(browser, asked)
    assert "code" in answer_of(await authorize(browser, scope="openid"))
    silent = await authorize(browser, scope=scope, prompt="none")
    assert answer_of(silent)["error"] == "consent_required"
    verifier, challenge = pkce()
    asked = await authorize(browser, scope=scope, code_challenge=challenge)
    done = await answer(browser, asked, ticked="1")
    tokens = (await browser.redeem(answer_of(done)["code"], verifier, "web")).json()
    [grant] = (await browser.get("/api/grants")).json()["grants"]
    assert (tokens["scope"], grant["offline"]) == ("openid", False)


@pytest.mark.rfc("8252", "8.6")
@pytest.mark.threat("6819-4.2.3", off="admit.issuer.consents.rules:is_remembered")
async def test_a_client_that_anybody_on_the_device_could_be_is_asked_about_each_time(
    browser: Browser,
) -> None:
    await browser.sign_in()
    for _ in range(2):
        asked = await authorize(browser, "native", scope="openid")
        assert is_asked(asked)
        await answer(browser, asked)
    silent = await authorize(browser, "native", scope="openid", prompt="none")
    assert answer_of(silent)["error"] == "consent_required"


@pytest.mark.threat("6819-4.4.1.4", off="admit.issuer.consents.rules:is_remembered")
async def test_a_client_that_nobody_let_in_is_marked_and_asked_about_each_time(browser: Browser) -> None:
    await browser.sign_in()
    for _ in range(2):
        asked = await authorize(browser, "stranger")
        assert is_asked(asked)
        page = await browser.get(asked.headers["location"])
        assert "Unverified" in page.text
        assert "code" in answer_of(await answer(browser, asked)), "who says yes is sent on"
    known = await browser.get((await authorize(browser)).headers["location"])
    assert "Unverified" not in known.text


@pytest.mark.threat("6819-4.2.4", off="admit.issuer.app.flow:may_be_sent_on")
@pytest.mark.parametrize("changes", [{"prompt": "none"}, {"scope": "no-such-scope"}], ids=["silent", "scope"])
async def test_a_client_that_nobody_let_in_sends_no_browser_on_by_itself(
    browser: Browser, changes: dict[str, str]
) -> None:
    for signed_in in (False, True):
        if signed_in:
            await browser.sign_in()
        page = await authorize(browser, "stranger", **changes)
        assert (page.status_code, "location" in page.headers) == (200, False)
        assert "Nobody knows whose" in page.text
        assert "localhost:8411" in page.text
    trusted = await authorize(browser, **changes)
    assert "error" in answer_of(trusted)


async def test_what_was_let_in_is_listed_and_taken_back_with_its_tokens(browser: Browser) -> None:
    tokens = await browser.tokens(client="web")
    page = await browser.get("/account")
    assert "It is let in again without asking you" in page.text
    [told] = (await browser.get("/api/consents")).json()["consents"]
    assert (told["client_id"], told["scope"]) == ("web", "openid orders:own orders:read profile")
    await browser.submit("/account", page.text, do="end_app", client="web")
    assert (await browser.refresh(tokens["refresh_token"], "web")).json()["error"] == "invalid_grant"
    assert (await browser.get("/api/consents")).json() == {"consents": []}
    assert is_asked(await authorize(browser))


@pytest.mark.soak
async def test_what_a_program_takes_back_is_the_same_and_another_users_stays(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.tokens(client="web")
    other = issuer.browser()
    await other.sign_in(("bo@example.com", "staple of the station", "Bo", ()))
    for one, status in ((other, 404), (browser, 204), (browser, 404)):
        csrf = (await one.get("/api/session")).json()["csrf_token"]
        headers = {"x-csrf-token": csrf, "origin": one.origin}
        assert (await one.delete("/api/consents/web", headers=headers)).status_code == status
    assert is_asked(await authorize(browser))


@pytest.mark.soak
async def test_the_end_of_all_that_a_client_was_granted_asks_everybody_again(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.tokens(client="web")
    await issuer.end_client("web")
    assert is_asked(await authorize(browser))


@pytest.mark.threat("6819-4.4.1.10", off="admit.issuer.app.routes.consent:needs_fresh_sign_in")
async def test_what_guards_the_account_is_given_away_only_right_after_a_sign_in(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    asked = await authorize(browser, scope=f"openid {SESSIONS_SCOPE}", resource=ISSUER)
    page = await browser.get(asked.headers["location"])
    assert page.status_code == 200, "just signed in"
    issuer.clock.advance(issuer.settings.sessions.fresh_for.total_seconds() + 1)
    for late in (
        await browser.get(asked.headers["location"]),
        await browser.submit("/consent", page.text, decision="allow"),
    ):
        assert late.headers.get("location", "").startswith("/login?"), late.status_code
    login = await browser.get(late.headers["location"])
    again = await browser.submit("/login", login.text, email=ADA[0], password=ADA[1])
    assert "code" in answer_of(await answer(browser, again))


@pytest.mark.threat("6819-4.2.2", off="admit.issuer.app.consenting:is_what_was_shown")
async def test_a_yes_to_what_was_shown_is_none_to_what_is_asked_by_then(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    before = make_issuer(settings_for(furnished_sqlite), keyring)
    async with before.lifespan():
        browser = before.browser()
        await browser.sign_in()
        asked = await authorize(browser, scope="openid orders:own")
        page = (await browser.get(asked.headers["location"])).text
    words = {"orders:own": "See and cancel your orders", "orders:read": "See everybody's orders"}
    after = make_issuer(settings_for(furnished_sqlite, resource=(replace(RESOURCE, scopes=words),)), keyring)
    async with after.lifespan():
        later = after.browser()
        later.cookies = browser.cookies
        again = await later.submit("/consent", page, decision="allow")
        assert (again.status_code, "location" in again.headers) == (400, False)
        assert "has changed since the page was shown" in again.text
        assert words["orders:own"] in again.text
        assert "code" in answer_of(await later.submit("/consent", again.text, decision="allow"))


async def test_an_answer_that_names_nothing_that_was_shown_allows_nothing(browser: Browser) -> None:
    await browser.sign_in()
    asked = await authorize(browser)
    page = (await browser.get(asked.headers["location"])).text
    again = await browser.submit("/consent", page, decision="allow", shown="")
    assert (again.status_code, "location" in again.headers) == (400, False)
