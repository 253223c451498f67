"""The main job at one issuer, over HTTP: sign in, code, tokens, refresh, log out, and nothing lives on."""

import pytest

from admit.errors import RevokedError
from tests.fixtures.issuer import ADA, BO, ISSUER, SPA, Browser, LiveIssuer, answer_of, pkce, request_of

pytestmark = pytest.mark.anyio


@pytest.mark.rfc("6749", "4.1")
@pytest.mark.rfc("9207", "2")
async def test_a_sign_in_by_redirect_ends_in_tokens_for_the_person(
    issuer: LiveIssuer, browser: Browser
) -> None:
    verifier, challenge = pkce()
    response = await browser.sign_in(ADA, **request_of("spa"), code_challenge=challenge)
    assert response.status_code == 303
    answer = answer_of(response)
    assert response.headers["location"].startswith(f"{SPA}/cb?")
    assert answer["state"] == "a-state"
    assert answer["iss"] == ISSUER
    tokens = (await browser.redeem(answer["code"], verifier)).json()
    principal = await issuer.verifier.verify(tokens["access_token"])
    assert principal.roles == {"admin"}
    assert {"orders:own", "orders:read"} <= principal.scopes


async def test_a_wrong_password_signs_nobody_in(browser: Browser) -> None:
    _, challenge = pkce()
    response = await browser.sign_in((ADA[0], "wrong", "", ()), **request_of("spa"), code_challenge=challenge)
    assert response.status_code == 400
    assert "location" not in response.headers


@pytest.mark.rfc("9700", "2.3")
async def test_a_scope_that_the_roles_do_not_give_is_left_out_and_told(browser: Browser) -> None:
    tokens = await browser.tokens(BO)
    assert tokens["scope"] == "openid orders:own profile"
    assert (await browser.tokens(ADA, prompt="login"))["scope"] == "openid orders:own orders:read profile"


@pytest.mark.rfc("6749", "6")
async def test_a_refresh_gives_new_tokens_and_a_stranger_token_does_not(browser: Browser) -> None:
    tokens = await browser.tokens()
    refreshed = await browser.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200
    assert refreshed.json()["refresh_token"] != tokens["refresh_token"]
    stranger = await browser.refresh("nokid.nofamilyatallhere.1." + "A" * 43)
    assert (stranger.status_code, stranger.json()["error"]) == (400, "invalid_grant")


@pytest.mark.rfc("6749", "6")
async def test_a_refresh_that_repeats_what_was_granted_is_told_all_of_it_and_one_that_asks_less_less(
    browser: Browser,
) -> None:
    granted = await browser.tokens(client="native", scope="openid offline_access orders:own")
    repeated = (await browser.refresh(granted["refresh_token"], "native", scope=granted["scope"])).json()
    assert repeated["scope"] == granted["scope"]
    less = (await browser.refresh(repeated["refresh_token"], "native", scope="openid")).json()
    assert less["scope"] == "openid"
    online = await browser.tokens(client="native", scope="openid orders:own")
    never = await browser.refresh(online["refresh_token"], "native", scope="openid offline_access")
    assert never.json()["scope"] == "openid"


async def test_a_live_session_signs_in_without_a_page_and_nobody_is_login_required(
    issuer: LiveIssuer, browser: Browser
) -> None:
    _, challenge = pkce()
    request = {**request_of("spa"), "code_challenge": challenge, "prompt": "none"}
    nobody = await browser.get("/authorize", params=request)
    assert answer_of(nobody)["error"] == "login_required"
    await browser.sign_in()
    assert "code" in answer_of(await browser.get("/authorize", params=request))


async def test_a_client_that_is_not_first_party_asks_for_consent(browser: Browser) -> None:
    await browser.sign_in()
    _, challenge = pkce()
    request = {**request_of("native"), "code_challenge": challenge}
    asked = await browser.get("/authorize", params=request)
    assert asked.headers["location"].startswith("/consent?")
    page = await browser.get(asked.headers["location"])
    assert "Orders for the terminal" in page.text
    assert "See your own orders" in page.text
    refused = await browser.submit("/consent", page.text, decision="refuse")
    assert answer_of(refused)["error"] == "access_denied"
    again = await browser.submit("/consent", page.text, decision="allow")
    assert again.status_code == 400, "an answered question is not asked twice"
    silent = await browser.get("/authorize", params={**request, "prompt": "none"})
    assert answer_of(silent)["error"] == "consent_required"


async def test_logging_out_ends_session_refresh_token_and_access_token(
    issuer: LiveIssuer, browser: Browser
) -> None:
    tokens = await browser.tokens()
    assert (await browser.get("/account")).status_code == 200
    await issuer.verifier.verify(tokens["access_token"])
    response = await browser.get(
        "/logout",
        params={"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": f"{SPA}/bye", "state": "s"},
    )
    assert response.headers["location"] == f"{SPA}/bye?state=s"
    assert (await browser.get("/account")).headers["location"] == "/login"
    assert (await browser.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (
        await browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    ).status_code == 401
    await issuer.follow_once()
    with pytest.raises(RevokedError):
        await issuer.verifier.verify(tokens["access_token"])


async def test_userinfo_tells_what_the_scopes_open(browser: Browser) -> None:
    tokens = await browser.tokens(scope="openid email")
    told = await browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert told.json()["email"] == ADA[0]
    assert "name" not in told.json()
    nobody = await browser.get("/userinfo")
    assert nobody.status_code == 401


async def test_an_account_is_made_on_the_sign_up_page_and_signed_in(browser: Browser) -> None:
    page = await browser.get("/signup")
    made = await browser.submit(
        "/signup", page.text, name="Cy", email="cy@example.com", password="eight or more"
    )
    assert made.status_code == 303
    assert "Cy" in (await browser.get("/account")).text


@pytest.mark.parametrize(
    ("name", "email", "password"),
    [
        ("", "dee@example.com", "eight or more"),
        ("Dee", "no address", "eight or more"),
        ("Dee", "dee@example.com", "short"),
        ("Dee", ADA[0], "eight or more"),
        ("Dee", "dee@example.com", "x" * 1025),
    ],
)
async def test_a_bad_sign_up_says_what_to_mend_and_makes_nothing(
    issuer: LiveIssuer, browser: Browser, name: str, email: str, password: str
) -> None:
    before = len(await issuer.services.accounts.list())
    page = await browser.get("/signup")
    refused = await browser.submit("/signup", page.text, name=name, email=email, password=password)
    assert refused.status_code == 400
    assert "aria-describedby" in refused.text
    assert len(await issuer.services.accounts.list()) == before


async def test_the_account_page_ends_other_sessions_and_only_ones_own(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in(ADA)
    second, stranger = issuer.browser(), issuer.browser()
    await second.sign_in(ADA)
    await stranger.sign_in(BO)
    ada = await issuer.services.accounts.find(ADA[0])
    bo = await issuer.services.accounts.find(BO[0])
    assert ada is not None
    assert bo is not None
    page = await browser.get("/account")
    theirs = (await issuer.services.sessions.list(bo.id, issuer.clock.now))[0]
    await browser.submit("/account", page.text, do="end", session=theirs.id)
    assert (await stranger.get("/account")).status_code == 200
    await browser.submit("/account", page.text, do="end_others")
    assert (await second.get("/account")).status_code == 303
    assert (await browser.get("/account")).status_code == 200


async def test_a_disabled_user_is_out_everywhere(issuer: LiveIssuer, browser: Browser) -> None:
    tokens = await browser.tokens(BO)
    bo = await issuer.services.accounts.find(BO[0])
    assert bo is not None
    from admit.issuer.audit import RequestInfo

    await issuer.services.accounts.disable(bo.id, info=RequestInfo(), now=issuer.clock.now)
    assert (await browser.get("/account")).status_code == 303
    assert (await browser.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await browser.sign_in(BO)).status_code == 400
    await issuer.follow_once()
    with pytest.raises(RevokedError):
        await issuer.verifier.verify(tokens["access_token"])


async def test_signing_in_again_renews_the_cookie_and_signs_no_application_out(
    issuer: LiveIssuer, browser: Browser
) -> None:
    first = await browser.tokens(ADA)
    cookie = browser.cookies.get(issuer.app.cookies.session_name)
    issuer.clock.advance(120)
    _, challenge = pkce()
    asked = await browser.sign_in(ADA, **request_of("spa"), code_challenge=challenge, prompt="login")
    assert "code" in answer_of(asked)
    assert browser.cookies.get(issuer.app.cookies.session_name) != cookie
    assert (await browser.refresh(first["refresh_token"])).status_code == 200
    ada = await issuer.services.accounts.find(ADA[0])
    assert ada is not None
    assert len(await issuer.services.sessions.list(ada.id, issuer.clock.now)) == 1


async def test_signing_in_as_another_ends_the_session_that_was_there(
    issuer: LiveIssuer, browser: Browser
) -> None:
    first = await browser.tokens(ADA)
    _, challenge = pkce()
    await browser.sign_in(BO, **request_of("spa"), code_challenge=challenge, prompt="login")
    assert (await browser.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert BO[2] in (await browser.get("/account")).text
