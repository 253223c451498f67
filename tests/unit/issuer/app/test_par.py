"""Pushed authorization requests, RFC 9126: judged when they come, used once, by their client, in time."""

import json
from dataclasses import replace

import httpx2
import pytest

from admit.issuer.grants.pushed import PREFIX
from tests.fixtures.issuer import (
    ADA,
    ISSUER,
    SPA,
    WEB_SECRET,
    Browser,
    LiveIssuer,
    answer_of,
    make_issuer,
    pkce,
    request_of,
)
from tests.threats.whole import rows

pytestmark = pytest.mark.anyio


async def push(browser: Browser, client: str = "spa", **changes: str) -> httpx2.Response:
    """A client pushes; `challenge` aside, a good request."""
    form = {**request_of(client), "code_challenge": pkce()[1], **changes}
    if client == "web":
        return await browser.post("/par", data=form, auth=(client, WEB_SECRET))
    return await browser.post("/par", data=form)


async def reference(browser: Browser, client: str = "spa", **changes: str) -> str:
    pushed = await push(browser, client, **changes)
    assert pushed.status_code == 201, pushed.text
    found: str = pushed.json()["request_uri"]
    return found


def by(request_uri: str, client: str = "spa", **more: str) -> dict[str, str]:
    return {"client_id": client, "request_uri": request_uri, **more}


def is_local_page(response: httpx2.Response) -> bool:
    return response.status_code == 400 and "location" not in response.headers and "<html" in response.text


def told(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


@pytest.mark.rfc("9126", "2.2")
async def test_a_pushed_request_is_answered_by_its_reference(issuer: LiveIssuer, browser: Browser) -> None:
    verifier, challenge = pkce()
    pushed = await push(browser, "web", code_challenge=challenge, state="pushed state")
    assert (pushed.status_code, pushed.headers["cache-control"]) == (201, "no-store")
    assert pushed.json().keys() == {"request_uri", "expires_in"}
    assert pushed.json()["expires_in"] == 60
    request_uri = pushed.json()["request_uri"]
    assert request_uri.startswith(PREFIX)
    assert len(request_uri.removeprefix(PREFIX)) == 43
    kept = json.dumps(await rows(issuer, "pushed_request"), default=repr)
    assert request_uri.removeprefix(PREFIX) not in kept
    assert WEB_SECRET not in kept
    await browser.sign_in()
    # What stands beside the reference is not read, RFC 9101 §5.
    asked = by(request_uri, "web", state="another", redirect_uri="https://evil.example/", scope="x")
    page = await browser.get((await browser.get("/authorize", params=asked)).headers["location"])
    back = await browser.submit("/consent", page.text, decision="allow")
    assert back.headers["location"].startswith(f"{SPA}/web?")
    assert answer_of(back)["state"] == "pushed state"
    assert (await browser.redeem(answer_of(back)["code"], verifier, "web")).status_code == 200


@pytest.mark.rfc("9126", "4")
@pytest.mark.threat("EXT-par", off="admit.issuer.grants.pushed:spend")
@pytest.mark.threat("O-1", off="admit.issuer.grants.pushed:spend")
async def test_a_page_may_be_loaded_again_and_one_answer_comes_of_it(
    issuer: LiveIssuer, browser: Browser
) -> None:
    request_uri = await reference(browser)
    first = await browser.get("/authorize", params=by(request_uri))
    again = await browser.get("/authorize", params=by(request_uri))
    pages = [await browser.get(started.headers["location"]) for started in (first, again)]
    issuer.clock.advance(120)  # who came in time may take their time
    done = await browser.submit("/login", pages[0].text, email=ADA[0], password=ADA[1])
    assert "code" in answer_of(done)
    twice = await browser.submit("/login", pages[1].text, email=ADA[0], password=ADA[1])
    assert is_local_page(twice)
    assert is_local_page(await browser.get("/authorize", params=by(request_uri)))


@pytest.mark.rfc("9126", "4")
async def test_after_an_error_that_the_client_was_told_the_reference_is_spent(browser: Browser) -> None:
    request_uri = await reference(browser, prompt="none")
    silent = await browser.get("/authorize", params=by(request_uri))
    assert answer_of(silent)["error"] == "login_required"
    assert is_local_page(await browser.get("/authorize", params=by(request_uri)))
    refused = await reference(browser, "native")
    await browser.sign_in()
    page = await browser.get(
        (await browser.get("/authorize", params=by(refused, "native"))).headers["location"]
    )
    no = await browser.submit("/consent", page.text, decision="refuse")
    assert answer_of(no)["error"] == "access_denied"
    assert is_local_page(await browser.get("/authorize", params=by(refused, "native")))


@pytest.mark.rfc("9126", "7.1")
@pytest.mark.threat("EXT-par", off="admit.issuer.grants.pushed:PushedRequests.find")
async def test_a_reference_is_good_for_its_own_client_and_for_a_minute(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    request_uri = await reference(browser, "web")
    for strange in (
        by(request_uri, "spa"),
        by(request_uri, "nobody"),
        {"request_uri": request_uri},
        by(request_uri[:-1] + ("A" if request_uri[-1] != "A" else "B"), "web"),
        by(PREFIX, "web"),
    ):
        assert is_local_page(await browser.get("/authorize", params=strange)), strange
    doubled = f"/authorize?client_id=web&request_uri={request_uri}&request_uri={request_uri}"
    assert is_local_page(await browser.get(doubled))
    issuer.clock.advance(59)
    assert (await browser.get("/authorize", params=by(request_uri, "web"))).status_code == 303
    issuer.clock.advance(2)
    assert is_local_page(await browser.get("/authorize", params=by(request_uri, "web")))


@pytest.mark.rfc("9126", "2.1")
@pytest.mark.rfc("9126", "2.3")
async def test_a_wrong_request_is_refused_when_it_is_pushed(issuer: LiveIssuer, browser: Browser) -> None:
    request_uri = await reference(browser)
    for changes, error in (
        ({"redirect_uri": "https://evil.example/cb"}, "invalid_request"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": ""}, "invalid_request"),
        ({"scope": "no-such-scope"}, "invalid_scope"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"claims": "{"}, "invalid_request"),
        ({"request_uri": request_uri}, "invalid_request"),
        ({"request_uri": "https://evil.example/r"}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
    ):
        refused = await push(browser, **changes)
        assert told(refused) == (400, error), changes
        assert "evil.example" not in refused.text
    doubled = f"client_id=spa&redirect_uri={SPA}/cb&response_type=code&state=a&state=b"
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert told(await browser.post("/par", content=doubled, headers=form)) == (400, "invalid_request")
    long = {"state": "s" * 8_000, "nonce": "n" * 500, "login_hint": "l" * 8_000, "ui_locales": "u" * 8_000}
    assert told(await push(browser, **long)) == (400, "invalid_request")
    assert len(await rows(issuer, "pushed_request")) == 1


@pytest.mark.rfc("9126", "2")
async def test_only_its_own_client_pushes(issuer: LiveIssuer, browser: Browser) -> None:
    form = {**request_of("web"), "code_challenge": pkce()[1]}
    assert told(await browser.post("/par", data=form)) == (401, "invalid_client")
    assert told(await browser.post("/par", data=form, auth=("web", "wrong"))) == (401, "invalid_client")
    assert told(await browser.post("/par", data={**form, "client_secret": "wrong"})) == (
        401,
        "invalid_client",
    )
    other = {**form, "client_id": "spa"}
    assert told(await browser.post("/par", data=other, auth=("web", WEB_SECRET))) == (401, "invalid_client")
    assert told(await browser.post("/par?client_id=web", data=form)) == (400, "invalid_request")
    assert (await browser.get("/par")).status_code == 405
    assert (await browser.post("/par", json=form)).status_code == 415
    for name in ("client_id", "redirect_uri"):
        without = {key: value for key, value in form.items() if key != name}
        refused = await browser.post("/par", data=without, auth=("web", WEB_SECRET))
        assert told(refused) == (400, "invalid_request")
        assert refused.json()["error_description"] == f"The parameter {name} is missing."
    assert await rows(issuer, "pushed_request") == []
    by_post = await browser.post("/par", data={**form, "client_secret": WEB_SECRET})
    assert by_post.status_code == 201


@pytest.mark.rfc("9126", "7.4")
@pytest.mark.threat("EXT-par", off="admit.issuer.clients.rules:redirect_uri_allowed")
async def test_what_was_pushed_is_judged_again_by_the_settings_of_now(
    issuer: LiveIssuer, browser: Browser
) -> None:
    request_uri = await reference(browser)
    clients = tuple(replace(one, redirect_uris=(f"{SPA}/new",)) for one in issuer.settings.client)
    changed = make_issuer(replace(issuer.settings, client=clients), issuer.keyring)
    changed.clock.now = issuer.clock.now
    async with changed.lifespan():
        page = await changed.browser().get("/authorize", params=by(request_uri))
        assert is_local_page(page)
        for one in changed.open_browsers:
            await one.aclose()


@pytest.mark.rfc("9126", "6")
@pytest.mark.threat("EXT-par", off="admit.issuer.oauth.authorize.steps:needs_push")
async def test_a_client_that_has_to_push_can_do_nothing_else(issuer: LiveIssuer) -> None:
    clients = tuple(
        replace(one, require_pushed_authorization_requests=True) for one in issuer.settings.client
    )
    strict = make_issuer(replace(issuer.settings, client=clients), issuer.keyring)
    async with strict.lifespan():
        browser = strict.browser()
        await browser.sign_in()
        plain = await browser.get("/authorize", params={**request_of("spa"), "code_challenge": pkce()[1]})
        assert answer_of(plain)["error"] == "invalid_request"
        pushed = await browser.get("/authorize", params=by(await reference(browser)))
        assert "code" in answer_of(pushed)
        for one in strict.open_browsers:
            await one.aclose()


@pytest.mark.rfc("OIDC Core", "6.2")
@pytest.mark.threat("EXT-par", off="admit.issuer.grants.pushed:is_reference")
async def test_an_address_of_somebody_else_is_never_followed(browser: Browser) -> None:
    await browser.sign_in()
    good = {**request_of("spa"), "code_challenge": pkce()[1]}
    for strange in ("https://evil.example/r", f"{SPA}/r", "urn:example:r", "http://127.0.0.1:1/"):
        refused = await browser.get("/authorize", params={**good, "request_uri": strange})
        assert answer_of(refused)["error"] == "request_uri_not_supported"
        assert is_local_page(await browser.get("/authorize", params=by(strange)))


async def test_pushing_is_bounded_by_network(issuer: LiveIssuer) -> None:
    grants = replace(issuer.settings.grants, pushed_per_network=2)
    small = make_issuer(replace(issuer.settings, grants=grants), issuer.keyring)
    async with small.lifespan():
        near, far = small.browser(ip="192.0.2.1"), small.browser(ip="192.0.2.2")
        statuses = [(await push(near)).status_code for _ in range(3)]
        assert statuses == [201, 201, 429]
        assert (await push(far)).status_code == 201
        for one in small.open_browsers:
            await one.aclose()


@pytest.mark.rfc("9126", "5")
async def test_the_metadata_says_where_to_push(browser: Browser) -> None:
    told = (await browser.get("/.well-known/oauth-authorization-server")).json()
    assert told["pushed_authorization_request_endpoint"] == f"{ISSUER}/par"
    assert told["require_pushed_authorization_requests"] is False
    assert told["request_uri_parameter_supported"] is False
