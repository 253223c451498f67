"""`prompt`, `max_age`, `id_token_hint`, `login_hint`, `display`: who is asked what, OpenID Connect Core §3.1.2.1."""

import html
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from admit import JWK, jwt
from admit.credentials import cookies
from tests.fixtures.issuer import (
    ADA,
    BO,
    ISSUER,
    Browser,
    LiveIssuer,
    answer_of,
    field_of,
    pkce,
    request_of,
)
from tests.threats.whole import rows
from tests.unit.issuer.app.test_claims_parameter import payload

pytestmark = pytest.mark.anyio


def asked(client: str = "spa", **changes: str) -> dict[str, str]:
    return {**request_of(client), "code_challenge": pkce()[1], **changes}


def leads_to(response: httpx2.Response, path: str) -> bool:
    return response.status_code == 303 and response.headers["location"].startswith(f"{path}?")


def error_of(response: httpx2.Response) -> str | None:
    return answer_of(response).get("error")


# select_account


@pytest.mark.rfc("OIDC Core", "3.1.2.1")
async def test_who_is_signed_in_is_asked_as_whom_to_go_on(browser: Browser) -> None:
    await browser.sign_in(ADA)
    started = await browser.get("/authorize", params=asked(prompt="select_account"))
    assert leads_to(started, "/login/account")
    page = await browser.get(started.headers["location"])
    assert (page.status_code, ADA[0] in page.text, "Orders" in page.text) == (200, True, True)
    done = await browser.submit("/login/account", page.text)
    assert "code" in answer_of(done)
    again = await browser.get("/authorize", params=asked(prompt="select_account"))
    page = await browser.get(again.headers["location"])
    other = await browser.get(html.unescape(field_link(page.text)))
    signed_in = await browser.submit("/login", other.text, email=BO[0], password=BO[1])
    assert "code" in answer_of(signed_in), "the sign-in was the choice"


def field_link(page: str) -> str:
    """Where another account signs in."""
    return page.split('class="button quiet" href="')[1].split('"')[0]


async def test_a_choice_is_no_sign_in_and_no_yes(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in(ADA)
    issuer.clock.advance(100)
    started = await browser.get("/authorize", params=asked(prompt="select_account", max_age="60"))
    assert leads_to(started, "/login"), "somebody who has to sign in chooses there"
    both = await browser.get("/authorize", params=asked(prompt="select_account login"))
    assert leads_to(both, "/login")
    started = await browser.get("/authorize", params=asked("native", prompt="select_account"))
    page = await browser.get(started.headers["location"])
    assert leads_to(await browser.submit("/login/account", page.text), "/consent")
    started = await browser.get("/authorize", params=asked(prompt="select_account", max_age="60"))
    handle = started.headers["location"].split("i=")[1]
    hand_made = {"csrf": field_of(page.text, "csrf"), "i": handle}
    posted = await browser.post("/login/account", data=hand_made, headers={"origin": ISSUER})
    assert leads_to(posted, "/login"), "the page may be sent without having been led to"


async def test_a_choice_is_made_by_this_session_and_browser_alone(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in(ADA)
    started = await browser.get("/authorize", params=asked(prompt="select_account"))
    page = await browser.get(started.headers["location"])
    stranger = issuer.browser()
    await stranger.sign_in(BO)
    assert (await stranger.submit("/login/account", page.text)).status_code == 403
    assert (await stranger.get(started.headers["location"])).status_code == 400
    unsigned = await browser.post("/login/account", data={"i": field_of(page.text, "i")})
    assert unsigned.status_code == 403
    nobody = issuer.browser()
    begun = await nobody.get("/authorize", params=asked(prompt="select_account"))
    assert leads_to(begun, "/login")


# max_age


@pytest.mark.rfc("OIDC Core", "2")
@pytest.mark.rfc("OIDC Core", "3.1.2.1")
async def test_after_max_age_a_new_sign_in_is_wanted_and_told(issuer: LiveIssuer, browser: Browser) -> None:
    before = payload((await browser.tokens(max_age="60"))["id_token"])["auth_time"]
    issuer.clock.advance(59)
    assert payload((await browser.tokens(max_age="60"))["id_token"])["auth_time"] == before
    issuer.clock.advance(2)
    assert (
        error_of(await browser.get("/authorize", params=asked(max_age="60", prompt="none")))
        == "login_required"
    )
    after = payload((await browser.tokens(max_age="60"))["id_token"])["auth_time"]
    assert after == before + 61
    assert leads_to(await browser.get("/authorize", params=asked(max_age="0")), "/login")
    for wrong in ("-1", "1.5", "x", "１", "99999999999"):
        assert error_of(await browser.get("/authorize", params=asked(max_age=wrong))) == "invalid_request"


@pytest.mark.rfc("9470", "5")
async def test_who_is_signed_in_is_told_why_once_more_and_somebody_else_is_not_taken_for_them(
    browser: Browser,
) -> None:
    await browser.sign_in(ADA)
    wanted = {"max_age": "0"}
    page = await browser.get((await browser.get("/authorize", params=asked(**wanted))).headers["location"])
    assert "Sign in again" in page.text
    assert f'value="{ADA[0]}"' in page.text
    wrong = await browser.submit("/login", page.text, email=BO[0], password="no")
    assert ("Sign in again" in wrong.text, f'value="{BO[0]}"' in wrong.text) == (True, True)
    assert "code" in answer_of(await browser.submit("/login", page.text, email=ADA[0], password=ADA[1]))
    # Another was named, another account is to be chosen, nobody is signed in: then nobody is known beforehand.
    other = await browser.get("/authorize", params=asked(login_hint=BO[0], **wanted))
    page = await browser.get(other.headers["location"])
    assert ("Sign in again" in page.text, ADA[0] in page.text) == (False, False)
    choice = await browser.get("/authorize", params=asked(prompt="select_account"))
    chosen = await browser.get(choice.headers["location"])
    page = await browser.get(html.unescape(field_link(chosen.text)))
    assert ("Sign in again" in page.text, ADA[0] in page.text) == (False, False)
    browser.cookies.clear()
    page = await browser.get((await browser.get("/authorize", params=asked(**wanted))).headers["location"])
    assert ("Sign in again" in page.text, ADA[0] in page.text) == (False, False)


@pytest.mark.rfc("OIDC Core", "3.1.2.1")
async def test_prompts_that_are_unknown_or_contradict_each_other_are_refused(browser: Browser) -> None:
    for wrong in ("none login", "none consent", "create", "login  consent", "NONE", " login"):
        assert error_of(await browser.get("/authorize", params=asked(prompt=wrong))) == "invalid_request", (
            wrong
        )


# id_token_hint


@pytest.mark.rfc("OIDC Core", "3.1.2.1")
async def test_a_hint_of_somebody_else_is_login_required_in_silence_and_asks_for_them_else(
    issuer: LiveIssuer, browser: Browser
) -> None:
    hint = (await browser.tokens(ADA))["id_token"]
    issuer.clock.advance(3_600)  # hints may have expired
    silent = await browser.get("/authorize", params=asked(prompt="none", id_token_hint=hint))
    assert "code" in answer_of(silent)
    other = issuer.browser()
    await other.sign_in(BO)
    refused = await other.get("/authorize", params=asked(prompt="none", id_token_hint=hint))
    assert error_of(refused) == "login_required"
    started = await other.get("/authorize", params=asked(id_token_hint=hint))
    assert leads_to(started, "/login")
    page = await other.get(started.headers["location"])
    assert "@example.com" not in page.text, "who holds only an identifier learns no address by it"
    wrong = await other.submit("/login", page.text, email=BO[0], password=BO[1])
    assert error_of(wrong) == "login_required"
    page = await other.get(
        (await other.get("/authorize", params=asked(id_token_hint=hint))).headers["location"]
    )
    assert "code" in answer_of(await other.submit("/login", page.text, email=ADA[0], password=ADA[1]))
    nobody = issuer.browser()
    assert leads_to(await nobody.get("/authorize", params=asked(id_token_hint=hint)), "/login")


async def test_no_hint_is_kept_and_the_address_that_it_carries_stands_in_the_form(
    issuer: LiveIssuer, browser: Browser
) -> None:
    hint = (await browser.tokens(ADA, scope="openid email"))["id_token"]
    fresh = issuer.browser()
    page = await fresh.get(
        (await fresh.get("/authorize", params=asked(id_token_hint=hint))).headers["location"]
    )
    assert f'value="{ADA[0]}"' in page.text
    kept = json.dumps(await rows(issuer, "interaction"), default=repr)
    assert hint not in kept
    assert hint.split(".")[1] not in kept


@pytest.mark.rfc("OIDC Core", "3.1.2.2")
async def test_what_is_no_id_token_of_this_client_is_refused(issuer: LiveIssuer, browser: Browser) -> None:
    mine = await browser.tokens(ADA)
    others = (await browser.tokens(ADA, client="native"))["id_token"]
    key = JWK.generate("RS256")
    claims: dict[str, Any] = {**payload(mine["id_token"])}
    for name in ("iss", "aud", "iat", "exp"):
        claims.pop(name)
    forged = jwt.sign(claims, key, issuer=ISSUER, audience="spa", lifetime=timedelta(minutes=5))
    head, body, _ = mine["id_token"].split(".")
    for wrong in (
        others,
        forged,
        mine["access_token"],
        f"{head}.{body}.",
        "x",
        "..",
        mine["id_token"][:-4] + "AAAA",
    ):
        for prompt in ({"prompt": "none"}, {}):
            refused = await browser.get("/authorize", params=asked(id_token_hint=wrong, **prompt))
            assert error_of(refused) == "invalid_request"


# login_hint, display, ui_locales


@pytest.mark.rfc("OIDC Core", "3.1.2.1")
async def test_what_only_shapes_the_page_is_taken_as_text(browser: Browser) -> None:
    hint = '"><script>alert(1)</script>'
    odd = asked(
        login_hint=hint, display="popup", ui_locales="xx zh-CN en", claims_locales="xx", acr_values="x"
    )
    started = await browser.get("/authorize", params=odd)
    assert leads_to(started, "/login")
    page = await browser.get(started.headers["location"])
    assert "<script>alert" not in page.text
    assert 'lang="zh-Hans"' in page.text
    plain = await browser.get("/authorize", params=asked(login_hint=ADA[0], display="nothing-known"))
    assert f'value="{ADA[0]}"' in (await browser.get(plain.headers["location"])).text


async def test_what_waits_and_is_no_authorization_request_does_not_go_on(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.get("/login")
    raw = cookies.decode_session_id(browser.cookies[issuer.app.cookies.pre_session_name].encode())
    assert raw is not None
    handle = await issuer.services.interactions.begin(
        client_id="spa", request={"state": "s"}, binding=raw, now=issuer.clock.now
    )
    for path in ("/login", "/login/account", "/consent"):
        assert (await browser.get(path, params={"i": handle})).status_code == 400
