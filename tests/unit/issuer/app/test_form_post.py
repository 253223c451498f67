"""`response_mode=form_post`: codes and errors come back as a form, to the proven place and nowhere else."""

import html
import re
from dataclasses import replace

import httpx2
import pytest

from admit.issuer.clients.records import Profile
from tests.fixtures.issuer import (
    ADA,
    ISSUER,
    SPA,
    Browser,
    LiveIssuer,
    answer_of,
    make_issuer,
    pkce,
    request_of,
)

pytestmark = pytest.mark.anyio


def asked(client: str = "spa", **changes: str) -> dict[str, str]:
    return {**request_of(client), "code_challenge": pkce()[1], "response_mode": "form_post", **changes}


def form_of(page: httpx2.Response) -> tuple[str, dict[str, str]]:
    """Where the page's form leads, and what it holds."""
    action = re.search(r'<form[^>]* method="post" action="([^"]*)"', page.text)
    assert action is not None, page.text
    hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text)
    return html.unescape(action[1]), {name: html.unescape(value) for name, value in hidden}


def is_form_post(page: httpx2.Response) -> bool:
    return page.status_code == 200 and "data-sent-by-itself" in page.text and "location" not in page.headers


@pytest.mark.rfc("OAuth Form Post", "2")
async def test_a_code_comes_back_as_a_form_that_the_client_can_use(browser: Browser) -> None:
    verifier, challenge = pkce()
    state = '"><script>alert(1)</script>&amp;'
    page = await browser.sign_in(ADA, **asked(code_challenge=challenge, state=state))
    assert is_form_post(page)
    action, fields = form_of(page)
    assert action == f"{SPA}/cb"
    assert fields.keys() == {"code", "state", "iss"}
    assert (fields["state"], fields["iss"]) == (state, ISSUER)
    assert "<script>alert" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert (await browser.redeem(fields["code"], verifier)).status_code == 200


async def test_its_page_has_a_button_scripts_of_ours_and_may_lead_to_the_client_alone(
    browser: Browser,
) -> None:
    await browser.sign_in()
    page = await browser.get("/authorize", params=asked())
    assert re.search(r'<button class="button primary" type="submit">', page.text)
    # The second is no module: a browser that knows none sends the form by itself all the same.
    own, sent = re.findall(r"<script[^>]*>[^<]*</script>", page.text)
    assert re.fullmatch(r'<script type="module" src="/static/[^"]*/forms.js"></script>', own)
    assert re.fullmatch(r'<script defer src="/static/[^"]*/send_itself.js"></script>', sent)
    policy = page.headers["content-security-policy"]
    assert f"form-action 'self' {SPA};" in policy
    assert "script-src 'self';" in policy
    # Without the mode the code stays in the address, and no page is made.
    plain = await browser.get("/authorize", params={**asked(), "response_mode": "query"})
    assert (plain.status_code, "code" in answer_of(plain)) == (303, True)


@pytest.mark.rfc("OAuth Multiple Response Types", "2.1")
async def test_errors_come_back_in_the_mode_that_was_asked(browser: Browser) -> None:
    for changes, error in (
        ({"prompt": "none"}, "login_required"),
        ({"scope": "no-such-scope"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
    ):
        page = await browser.get("/authorize", params=asked(**changes))
        assert is_form_post(page)
        action, fields = form_of(page)
        assert (action, fields["error"], fields["state"]) == (f"{SPA}/cb", error, "a-state")
        by_query = await browser.get("/authorize", params={**asked(**changes), "response_mode": "query"})
        assert answer_of(by_query)["error"] == error


async def test_a_no_comes_back_in_the_mode_that_was_asked(browser: Browser) -> None:
    consent = await browser.sign_in(ADA, **asked("native"))
    page = await browser.get(consent.headers["location"])
    refused = await browser.submit("/consent", page.text, decision="refuse")
    action, fields = form_of(refused)
    assert (action, fields["error"]) == ("http://127.0.0.1:5123/cb", "access_denied")


@pytest.mark.threat("9700-fragment", off="admit.issuer.oauth.authorize.steps:is_answered_in")
@pytest.mark.threat("9700-postmessage", off="admit.issuer.oauth.authorize.steps:is_answered_in")
async def test_no_other_mode_is_taken(browser: Browser) -> None:
    await browser.sign_in()
    for mode in ("fragment", "web_message", "form_post.jwt", "FORM_POST", "jwt"):
        refused = await browser.get("/authorize", params=asked(response_mode=mode))
        assert refused.status_code == 303
        assert answer_of(refused)["error"] == "invalid_request", mode
        assert "#" not in refused.headers["location"]


async def test_an_unproven_place_gets_no_form(browser: Browser) -> None:
    await browser.sign_in()
    for changes in ({"redirect_uri": "https://evil.example/cb"}, {"client_id": "nobody"}):
        page = await browser.get("/authorize", params=asked(**changes))
        assert page.status_code == 400
        assert "<form" not in page.text
        assert "evil.example" not in page.text + page.headers["content-security-policy"]


async def test_the_metadata_names_the_modes(issuer: LiveIssuer, browser: Browser) -> None:
    told = (await browser.get("/.well-known/openid-configuration")).json()
    assert told["response_modes_supported"] == ["query", "form_post"]


async def test_to_a_client_that_nobody_let_in_only_the_person_sends_an_error(issuer: LiveIssuer) -> None:
    clients = tuple(replace(one, trusted=False, first_party=False) for one in issuer.settings.client)
    open_to_all = make_issuer(replace(issuer.settings, client=clients), issuer.keyring)
    async with open_to_all.lifespan():
        browser = open_to_all.browser()
        page = await browser.get("/authorize", params=asked(scope="no-such-scope"))
        action, fields = form_of(page)
        assert (action, fields["error"]) == (f"{SPA}/cb", "invalid_scope")
        assert "data-sent-by-itself" not in page.text
        assert '<button class="button primary" type="submit">' in page.text
        await browser.aclose()


@pytest.mark.threat("O-2", off="admit.issuer.app.routes.authorize:carried")
async def test_what_belongs_to_the_token_endpoint_does_not_get_into_an_address(browser: Browser) -> None:
    posted = await browser.post("/authorize", data=asked(client_secret="a-secret", code_verifier="v" * 43))
    assert posted.status_code == 303
    assert "a-secret" not in posted.headers["location"]
    assert "v" * 43 not in posted.headers["location"]
    assert is_form_post(
        await browser.get(posted.headers["location"].replace("prompt=", "x=") + "&prompt=none")
    )


async def test_a_form_goes_to_web_addresses_only_and_oidc_clients_name_a_scope(issuer: LiveIssuer) -> None:
    native = replace(issuer.settings.client[1], redirect_uris=("com.example.app:/cb", "http://[::1]/cb"))
    oidc = replace(issuer.settings.client[0], profile=Profile.OIDC)
    other = make_issuer(replace(issuer.settings, client=(native, oidc)), issuer.keyring)
    async with other.lifespan():
        browser = other.browser()
        refused = await browser.get("/authorize", params=asked("native", redirect_uri="com.example.app:/cb"))
        assert refused.headers["location"].startswith("com.example.app:/cb?error=invalid_request")
        to_loopback = asked("native", redirect_uri="http://[::1]:7777/cb", scope="no-such-scope")
        page = await browser.get("/authorize", params=to_loopback)
        assert form_of(page)[0] == "http://[::1]:7777/cb"
        assert "form-action 'self' http:;" in page.headers["content-security-policy"]
        no_scope = {name: value for name, value in asked().items() if name != "scope"}
        assert form_of(await browser.get("/authorize", params=no_scope))[1]["error"] == "invalid_scope"
        await browser.aclose()
