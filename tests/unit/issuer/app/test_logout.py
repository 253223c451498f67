"""RP-initiated logout: who is sent back, who is asked, and what leads nowhere."""

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from admit.issuer.app.routes.logout import POSTED
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import ADA, BO, SPA, Browser, LiveIssuer, make_issuer, settings_for

pytestmark = pytest.mark.anyio
# More of the same, tried now and then.
MORE_HINTS = [pytest.param(one, marks=pytest.mark.soak) for one in ("garbage", "access token")]
MORE_REQUESTS = [pytest.param(one, marks=pytest.mark.soak) for one in ("query", "twice")]
BACK = {"post_logout_redirect_uri": f"{SPA}/bye", "state": "s t"}


async def is_signed_in(browser: Browser) -> bool:
    return (await browser.get("/account")).status_code == 200


@pytest.mark.rfc("OIDC RP-Initiated Logout", "2")
@pytest.mark.rfc("OIDC RP-Initiated Logout", "3")
async def test_an_expired_hint_of_this_session_logs_out_and_leads_back_with_the_state(
    issuer: LiveIssuer, browser: Browser
) -> None:
    tokens = await browser.tokens()
    issuer.clock.advance(3_600)
    answer = await browser.get("/logout", params={"id_token_hint": tokens["id_token"], **BACK})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{SPA}/bye?state=s+t"
    assert not await is_signed_in(browser)


async def test_without_a_way_back_a_good_hint_logs_out_and_a_page_says_so(browser: Browser) -> None:
    tokens = await browser.tokens()
    answer = await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    assert (answer.status_code, "location" in answer.headers) == (200, False)
    assert not await is_signed_in(browser)


def spoilt(token: str) -> str:
    head, body, signature = token.split(".")
    return f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def developers(page: str) -> str:
    """What the page tells those who build the client."""
    found = re.search(r'<p class="small developer"><strong>.*?</strong>(.*?)</p>', page)
    assert found is not None
    return found[1]


async def refused(browser: Browser, request: dict[str, str | list[str]], *, says: str) -> None:
    """By GET and by POST alike: a page that says what was wrong, nowhere to go, nothing of the request, and everybody
    as signed in as before.
    """
    for answer in (await browser.get("/logout", params=request), await browser.post("/logout", data=request)):
        assert (answer.status_code, "location" in answer.headers) == (400, False)
        assert f" {says}" in developers(answer.text)
        sent = [value for value in request.values() if isinstance(value, str) and len(value) > 10]
        assert not any(value in answer.text for value in sent)
    assert await is_signed_in(browser)


@pytest.mark.rfc("OIDC RP-Initiated Logout", "4")
@pytest.mark.threat("EXT-logout", off="admit.issuer.oauth.logout:is_readable")
@pytest.mark.parametrize("wrong", ["signature", *MORE_HINTS])
async def test_a_hint_that_is_no_id_token_of_ours_logs_nobody_out(browser: Browser, wrong: str) -> None:
    tokens = await browser.tokens()
    hint = {
        "garbage": "no.token.here",
        "signature": spoilt(tokens["id_token"]),
        "access token": tokens["access_token"],
    }[wrong]
    await refused(browser, {"id_token_hint": hint, "client_id": "spa", **BACK}, says="id_token_hint must")


@pytest.mark.rfc("OIDC RP-Initiated Logout", "2")
@pytest.mark.parametrize("wrong", ["client", "uri", *MORE_REQUESTS])
async def test_what_does_not_belong_together_leads_nowhere(browser: Browser, wrong: str) -> None:
    tokens = await browser.tokens()
    changes: dict[str, dict[str, str | list[str]]] = {
        "client": {"client_id": "native"},
        "uri": {"post_logout_redirect_uri": f"{SPA}/elsewhere"},
        "query": {"post_logout_redirect_uri": f"{SPA}/bye?x=1"},
        "twice": {"state": ["one", "two"]},
    }
    says = {"client": "client_id names", "twice": "A parameter is missing, repeated"}
    request = {"id_token_hint": tokens["id_token"], **BACK, **changes[wrong]}
    await refused(browser, request, says=says.get(wrong, "post_logout_redirect_uri must"))


@pytest.mark.rfc("OIDC RP-Initiated Logout", "2")
async def test_a_way_back_of_nobody_is_told_as_that_and_needs_none_to_sign_out(browser: Browser) -> None:
    await browser.sign_in()
    await refused(browser, BACK, says="A post_logout_redirect_uri comes with")
    page = (await browser.get("/logout", params=BACK)).text
    assert "does not say for which app" in page
    assert "not registered" not in page
    assert (await browser.get("/logout")).status_code == 200
    assert (await browser.get("/logout", params={"client_id": "spa", **BACK})).status_code == 200


@pytest.mark.threat("EXT-logout", off="admit.issuer.oauth.logout:needs_confirmation")
async def test_a_hint_of_another_session_asks_first_and_leads_back_after_the_yes(
    issuer: LiveIssuer, browser: Browser
) -> None:
    other = issuer.browser()
    tokens = await other.tokens(BO)
    await browser.sign_in(ADA)
    page = await browser.get("/logout", params={"id_token_hint": tokens["id_token"], **BACK})
    assert page.status_code == 200
    assert await is_signed_in(browser)
    answer = await browser.submit("/logout", page.text)
    assert answer.headers["location"] == f"{SPA}/bye?state=s+t"
    assert not await is_signed_in(browser)


@pytest.mark.threat("6819-4.2.4", off="admit.issuer.oauth.logout:goes_back")
async def test_a_client_that_nobody_let_in_is_linked_whatever_it_shows(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    strange = tuple(replace(one, trusted=False, first_party=False) for one in settings_for("").client)
    issuer = make_issuer(settings_for(furnished_sqlite, client=strange), keyring)
    known = make_issuer(settings_for(furnished_sqlite), keyring)
    async with known.lifespan():
        hint = (await known.browser().tokens())["id_token"]
        good = await known.browser().get("/logout", params={"id_token_hint": hint, **BACK})
        assert good.status_code == 303
    async with issuer.lifespan():
        answer = await issuer.browser().get("/logout", params={"id_token_hint": hint, **BACK})
    assert (answer.status_code, "location" in answer.headers) == (200, False)
    assert f"{SPA}/bye?state=s+t" in answer.text


async def test_a_client_that_shows_no_token_is_linked_and_nobody_is_sent_on(browser: Browser) -> None:
    await browser.sign_in()
    page = await browser.get("/logout", params={"client_id": "spa", **BACK})
    assert page.status_code == 200
    answer = await browser.submit("/logout", page.text)
    assert (answer.status_code, "location" in answer.headers) == (200, False)
    assert f"{SPA}/bye?state=s+t" in answer.text
    unknown = await browser.get("/logout", params={"client_id": "nobody", **BACK})
    assert (unknown.status_code, " client_id names" in developers(unknown.text)) == (400, True)
    unnamed = await browser.get("/logout", params=BACK)
    assert (unnamed.status_code, "comes with id_token_hint" in developers(unnamed.text)) == (400, True)


async def test_a_request_by_post_goes_on_as_a_get_that_holds_no_token(
    issuer: LiveIssuer, browser: Browser
) -> None:
    tokens = await browser.tokens()
    cookieless = issuer.browser()  # as another site's form: without Lax cookies
    sent = {"id_token_hint": tokens["id_token"], "logout_hint": ADA[0], **BACK}
    moved = await cookieless.post(
        "/logout", data=sent, headers={"origin": SPA, "sec-fetch-site": "cross-site"}
    )
    assert moved.status_code == 303
    assert "set-cookie" not in moved.headers
    location = moved.headers["location"]
    assert set(parse_qs(urlsplit(location).query)) == {"i"}
    kept = await issuer.services.interactions.get(
        parse_qs(urlsplit(location).query)["i"][0], POSTED, issuer.clock()
    )
    assert kept is not None
    assert ADA[0] not in kept.request.values(), "what is not read is not kept"
    assert (await browser.get(location)).headers["location"] == f"{SPA}/bye?state=s+t"
    assert not await is_signed_in(browser)
    assert (await browser.get("/logout?i=no-such-handle")).status_code == 400


async def test_the_pages_speak_the_language_that_the_client_asks_for(browser: Browser) -> None:
    await browser.sign_in()
    page = await browser.get("/logout", params={"client_id": "spa", "ui_locales": "zh-CN zh", **BACK})
    assert 'lang="zh-Hans"' in page.text
    done = await browser.submit("/logout", page.text)
    assert 'lang="zh-Hans"' in done.text
    assert 'lang="en"' in (await browser.get("/logout", params={"client_id": "spa", **BACK})).text
