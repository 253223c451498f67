"""The ledger's rows on redirects, codes, grants and requests, tried over HTTP against a whole issuer."""

from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import pytest

from tests.fixtures.issuer import (
    ADA,
    API,
    API_SECRET,
    ISSUER,
    SPA,
    Browser,
    LiveIssuer,
    answer_of,
    pkce,
    request_of,
)

pytestmark = pytest.mark.anyio

FORM = {"content-type": "application/x-www-form-urlencoded"}


def good(**changes: str) -> dict[str, str]:
    """A whole authorization request of the SPA."""
    return {**request_of("spa"), "code_challenge": pkce()[1], **changes}


def is_local_error_page(response: httpx2.Response) -> bool:
    """A page of ours, and nowhere to go from it."""
    return (
        400 <= response.status_code < 500
        and "location" not in response.headers
        and response.headers["content-type"].startswith("text/html")
    )


# Redirects


@pytest.mark.parametrize(
    "target",
    ["//e.example", "/\\e.example", "https:e.example", "/%09/e.example", "javascript:alert(1)",
     "https://rp@e.example", "%2f%2fe.example"],
)  # fmt: skip
@pytest.mark.threat("6819-4.1.5", off="admit.issuer.clients.rules:redirect_uri_allowed")
async def test_no_parameter_leads_the_browser_or_the_code_elsewhere(browser: Browser, target: str) -> None:
    page = await browser.get("/login", params={"next": target, "return_to": target})
    signed_in = await browser.submit(f"/login?next={target}", page.text, email=ADA[0], password=ADA[1])
    assert signed_in.headers["location"] == "/account"
    forwarding = await browser.get("/authorize", params=good(redirect_uri=f"{SPA}/cb?next={target}"))
    assert is_local_error_page(forwarding)


@pytest.mark.rfc("6749", "4.1.2.1")
@pytest.mark.threat("6819-4.2.4", off="admit.issuer.clients.rules:redirect_uri_allowed")
@pytest.mark.threat("6819-4.4.1.7", off="admit.issuer.clients.rules:redirect_uri_allowed")
@pytest.mark.threat("9700-redirect", off="admit.issuer.clients.rules:redirect_uri_allowed")
async def test_an_unregistered_redirect_uri_gets_a_page_even_for_errors(browser: Browser) -> None:
    await browser.sign_in()
    for changes in (
        {"redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": f"{SPA}/cb/../x"},
        {"redirect_uri": f"{SPA}/cb#"},
        {"redirect_uri": "https://evil.example/cb", "scope": "no-such-scope"},
        {"redirect_uri": "https://evil.example/cb", "prompt": "none"},
    ):
        assert is_local_error_page(await browser.get("/authorize", params=good(**changes))), changes


@pytest.mark.threat("6819-4.2.4", off="admit.issuer.clients.rules:post_logout_redirect_uri_allowed")
async def test_logging_out_leads_only_to_registered_places(browser: Browser) -> None:
    tokens = await browser.tokens()
    away = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://evil.example/"}
    assert is_local_error_page(await browser.get("/logout", params=away))
    home = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": f"{SPA}/bye"}
    assert (await browser.get("/logout", params=home)).headers["location"] == f"{SPA}/bye"


@pytest.mark.parametrize("client_id", ["nobody", "", "admit", "spa\x00", "SPA"])
async def test_an_unknown_client_is_never_redirected(browser: Browser, client_id: str) -> None:
    assert is_local_error_page(await browser.get("/authorize", params=good(client_id=client_id)))


@pytest.mark.threat("9700-307", off="admit.issuer.app.context:SEE_OTHER")
async def test_after_a_password_the_browser_goes_on_with_get(browser: Browser) -> None:
    assert (await browser.sign_in(ADA, **good())).status_code == 303
    page = await browser.get((await browser.get("/authorize", params=native())).headers["location"])
    assert (await browser.submit("/consent", page.text, decision="allow")).status_code == 303


def native() -> dict[str, str]:
    """A whole authorization request of the native client."""
    return {**request_of("native"), "code_challenge": pkce()[1]}


# Codes


@pytest.mark.threat(
    "6819-4.4.1.1", off=["admit.issuer.grants.rules:unexpired", "admit.issuer.grants.codes:spend"]
)
async def test_a_code_is_good_for_sixty_seconds(issuer: LiveIssuer, browser: Browser) -> None:
    code, verifier = await browser.code()
    issuer.clock.advance(61)
    late = await browser.redeem(code, verifier)
    assert (late.status_code, late.json()["error"]) == (400, "invalid_grant")
    fresh, verifier = await browser.code()
    assert (await browser.redeem(fresh, verifier)).status_code == 200


@pytest.mark.rfc("6749", "10.5")
@pytest.mark.threat("6819-4.4.1.1", off="admit.issuer.grants.rules:unspent")
@pytest.mark.threat("O-1", off=["admit.issuer.grants.rules:unspent", "admit.issuer.grants.codes:spend"])
async def test_a_code_used_twice_ends_what_it_paid_out(issuer: LiveIssuer, browser: Browser) -> None:
    code, verifier = await browser.code()
    first = (await browser.redeem(code, verifier)).json()
    await issuer.verifier.verify(first["access_token"])
    second = await browser.redeem(code, verifier)
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")
    assert (await browser.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    told = await browser.get("/userinfo", headers={"authorization": f"Bearer {first['access_token']}"})
    assert told.status_code == 401


@pytest.mark.threat("6819-4.4.1.3", off="admit.issuer.oauth.token.authorization_code:count_wrong_code")
async def test_guessing_codes_is_throttled_for_the_guesser_alone(
    issuer: LiveIssuer, browser: Browser
) -> None:
    guesser = issuer.browser(ip="192.0.2.7")
    statuses = [(await guesser.redeem("A" * 43, pkce()[0])).status_code for _ in range(25)]
    assert statuses[:20] == [400] * 20
    assert set(statuses[20:]) == {429}
    code, verifier = await browser.code()
    assert (await browser.redeem(code, verifier)).status_code == 200


@pytest.mark.threat("6819-4.4.1.13", off="admit.issuer.grants.rules:belongs_to_client")
async def test_a_code_of_another_client_is_refused_and_burnt(browser: Browser) -> None:
    code, verifier = await browser.code(client="spa")
    stolen = await browser.redeem(code, verifier, client="web", redirect_uri=f"{SPA}/cb")
    assert stolen.json()["error"] == "invalid_grant"
    assert (await browser.redeem(code, verifier)).json()["error"] == "invalid_grant"


@pytest.mark.threat("9700-codeinject", off="admit.issuer.oauth.authorize.steps:needs_pkce")
async def test_a_request_without_a_challenge_is_refused_by_redirect(browser: Browser) -> None:
    request = good()
    del request["code_challenge"], request["code_challenge_method"]
    answer = answer_of(await browser.get("/authorize", params=request))
    assert (answer["error"], answer["state"], answer["iss"]) == ("invalid_request", "a-state", ISSUER)


@pytest.mark.parametrize("method", ["plain", "", "s256"])
@pytest.mark.threat("9700-codeinject", off="admit.issuer.oauth.authorize.steps:is_s256")
async def test_only_s256_is_a_method(browser: Browser, method: str) -> None:
    answer = answer_of(await browser.get("/authorize", params=good(code_challenge_method=method)))
    assert answer["error"] == "invalid_request"


@pytest.mark.threat("9700-codeinject", off="admit.issuer.grants.rules:verify_pkce")
async def test_a_code_needs_the_verifier_of_its_challenge(browser: Browser) -> None:
    for verifier in ("A" * 43, "short", "x" * 129, "sp ace" + "A" * 43):
        code, _ = await browser.code()
        assert (await browser.redeem(code, verifier)).json()["error"] == "invalid_grant"
    code, _ = await browser.code()
    challenge_as_verifier = await browser.redeem(code, pkce()[1])
    assert challenge_as_verifier.json()["error"] == "invalid_grant"


@pytest.mark.threat("9700-pkcedown", off="admit.issuer.grants.rules:verify_pkce")
async def test_a_code_with_a_challenge_is_worth_nothing_without_a_verifier(browser: Browser) -> None:
    code, _ = await browser.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{SPA}/cb"}
    assert (await browser.token("spa", **form)).json()["error"] == "invalid_grant"


# What does not exist


@pytest.mark.parametrize(
    "response_type", ["token", "id_token", "id_token token", "code token", "token code", "none"]
)
@pytest.mark.threat("6819-4.4.2.1", off="admit.issuer.oauth.authorize.steps:is_code")
@pytest.mark.threat("6819-4.4.2.2", off="admit.issuer.oauth.authorize.steps:is_code")
@pytest.mark.threat("6819-4.4.2.3", off="admit.issuer.oauth.authorize.steps:is_code")
async def test_no_response_type_returns_a_token(browser: Browser, response_type: str) -> None:
    await browser.sign_in()
    answer = answer_of(await browser.get("/authorize", params=good(response_type=response_type)))
    assert answer["error"] == "unsupported_response_type"
    assert "access_token" not in answer


@pytest.mark.threat("6819-4.4.3", off="admit.issuer.oauth.token:offered")
async def test_there_is_no_password_grant(browser: Browser) -> None:
    refused = await browser.token("spa", grant_type="password", username=ADA[0], password=ADA[1])
    assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_grant_type")
    metadata = (await browser.get("/.well-known/openid-configuration")).json()
    assert set(metadata["grant_types_supported"]) == {
        "authorization_code",
        "client_credentials",
        "refresh_token",
    }


# Requests


@pytest.mark.parametrize("name", ["scope", "state", "nonce", "prompt"])
@pytest.mark.threat("WEB-params", off="admit.issuer.oauth.authorize.steps:is_ambiguous")
async def test_a_repeated_parameter_is_an_error_at_authorize(browser: Browser, name: str) -> None:
    await browser.sign_in()
    request = good(prompt="none")
    answer = answer_of(
        await browser.get(f"/authorize?{urlencode([*request.items(), (name, request[name])])}")
    )
    assert answer["error"] == "invalid_request"


@pytest.mark.parametrize("name", ["response_type", "code_challenge", "code_challenge_method"])
async def test_a_repeated_parameter_that_is_needed_is_an_error_too(browser: Browser, name: str) -> None:
    await browser.sign_in()
    request = good(prompt="none")
    answer = answer_of(
        await browser.get(f"/authorize?{urlencode([*request.items(), (name, request[name])])}")
    )
    assert answer["error"] == "invalid_request"


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_a_repeated_client_or_target_gets_a_page(browser: Browser, name: str) -> None:
    request = good()
    response = await browser.get(f"/authorize?{urlencode([*request.items(), (name, request[name])])}")
    assert is_local_error_page(response)


@pytest.mark.rfc("OIDC Core", "3.1.2.1")
@pytest.mark.threat("WEB-params", off="admit.issuer.oauth.authorize.steps:is_ambiguous")
async def test_what_is_repeated_in_a_form_is_told_where_it_is_told_of_an_address(browser: Browser) -> None:
    """To the client where client and target are proven and single, on a page of ours where they are not."""
    await browser.sign_in()
    request = good(prompt="none")

    async def posted(*more: tuple[str, str]) -> httpx2.Response:
        moved = await browser.post("/authorize", content=urlencode([*request.items(), *more]), headers=FORM)
        assert moved.status_code == 303
        assert not [value for _, value in more if value and value in moved.headers["location"]]
        return await browser.get(moved.headers["location"])

    for name in ("scope", "state", "response_type", "client_secret", "no-parameter-at-all"):
        answer = answer_of(await posted((name, "one-value"), (name, "another-value")))
        assert answer["error"] == "invalid_request", name
        assert answer.get("state") == (None if name == "state" else request["state"])
    assert (
        answer_of(await posted(("resource", "an-api"), ("resource", "an-api")))["error"] == "invalid_target"
    )
    for name in ("client_id", "redirect_uri"):
        assert is_local_error_page(await posted((name, "another-value")))
    assert "code" in answer_of(await posted())


@pytest.mark.threat("WEB-params", off="admit.issuer.app.call:refuse_repeated")
async def test_a_repeated_parameter_is_an_error_at_the_token_endpoint(browser: Browser) -> None:
    code, verifier = await browser.code()
    form = {
        "grant_type": "authorization_code", "client_id": "spa", "code": code,
        "redirect_uri": f"{SPA}/cb", "code_verifier": verifier,
    }  # fmt: skip
    body = urlencode([*form.items(), ("state", "1"), ("state", "2")])
    twice = await browser.post("/token", content=body, headers=FORM)
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    in_both = await browser.post(f"/token?code={code}", content=urlencode(form), headers=FORM)
    assert (in_both.status_code, in_both.json()["error"]) == (400, "invalid_request")
    assert (await browser.redeem(code, verifier)).status_code == 200, "and nothing was lost by it"


@pytest.mark.threat("WEB-method", off="admit.issuer.app.dispatch:handler_of")
async def test_the_token_endpoint_takes_post_only(browser: Browser) -> None:
    for method in ("GET", "PUT", "DELETE", "TRACE", "PATCH"):
        response = await browser.request(method, "/token", headers={"x-http-method-override": "POST"})
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""]
)
@pytest.mark.threat("WEB-method", off="admit.issuer.app.call:is_form")
async def test_the_token_endpoint_reads_forms_only(browser: Browser, content_type: str) -> None:
    code, verifier = await browser.code()
    form = {
        "grant_type": "authorization_code", "client_id": "spa", "code": code,
        "redirect_uri": f"{SPA}/cb", "code_verifier": verifier,
    }  # fmt: skip
    response = await browser.post("/token", content=urlencode(form), headers={"content-type": content_type})
    assert response.status_code == 415


@pytest.mark.threat("WEB-csrf", off="admit.issuer.app.context:App.check_csrf")
@pytest.mark.parametrize("path", ["/login", "/signup"])
async def test_a_form_of_a_foreign_page_signs_nobody_in(
    issuer: LiveIssuer, browser: Browser, path: str
) -> None:
    page = await browser.get(path)
    form = {"email": ADA[0], "password": ADA[1], "name": "Eve"}
    token = page.text.split('name="csrf" value="')[1].split('"')[0]
    for headers, csrf in (
        ({"origin": "https://evil.example"}, token),
        ({"origin": "null"}, token),
        ({"sec-fetch-site": "cross-site"}, token),
        ({"origin": ISSUER}, ""),
        ({"origin": ISSUER}, "A" * 43),
    ):
        refused = await browser.post(path, data={**form, "csrf": csrf}, headers=headers)
        assert refused.status_code == 403, (headers, csrf)
    stranger = issuer.browser()
    await stranger.get(path)
    others = await stranger.post(path, data={**form, "csrf": token}, headers={"origin": ISSUER})
    assert others.status_code == 403
    assert (await browser.get("/account")).status_code == 303, "nobody was signed in"


@pytest.mark.threat(
    "WEB-csrf", off=["admit.issuer.app.context:App.check_csrf", "admit.credentials.csrf:check_token"]
)
async def test_every_route_that_changes_something_wants_a_token_or_says_why_not(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    tried = 0
    for route in issuer.routes:
        for method in set(route.handlers) - {"GET"}:
            if route.exempt is not None:
                assert len(route.exempt) > 20, f"{route.path} is exempt without a reason"
                continue
            response = await browser.request(
                method, route.path, content=urlencode({"do": "sign_out", "decision": "allow"}),
                headers={**FORM, "origin": ISSUER},
            )  # fmt: skip
            assert response.status_code == 403, (method, route.path, response.status_code)
            tried += 1
    assert tried >= 5
    assert (await browser.get("/account")).status_code == 200, "and the session lives"


@pytest.mark.threat("9700-cors", off="admit.credentials.cors:is_registered")
async def test_foreign_scripts_may_read_public_things_only(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    for origin in ("https://evil.example", "null", f"{SPA}.evil.example", "http://localhost:8499"):
        for route in issuer.routes:
            path = route.path.replace("*", "0")
            asked = {"origin": origin, "access-control-request-method": "POST"}
            for response in (
                await browser.get(path, headers={"origin": origin}),
                await browser.options(path, headers=asked),
            ):
                allowed = response.headers.get("access-control-allow-origin")
                assert allowed in (None, "*"), (route.path, allowed)
                assert "access-control-allow-credentials" not in response.headers
    for path in ("/authorize", "/login", "/consent", "/account"):
        own = await browser.get(path, headers={"origin": SPA})
        assert "access-control-allow-origin" not in own.headers


async def test_a_registered_origin_may_use_the_token_endpoint(browser: Browser) -> None:
    asked = {"origin": SPA, "access-control-request-method": "POST"}
    response = await browser.options("/token", headers=asked)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == SPA
    assert "access-control-allow-credentials" not in response.headers


async def test_an_unknown_host_is_not_served(browser: Browser) -> None:
    assert (await browser.get("/login", headers={"host": "evil.example"})).status_code == 421
    assert (await browser.get("/login", headers={"x-forwarded-host": "evil.example"})).status_code == 200


@pytest.mark.threat("6819-4.4.1.9", off="admit.issuer.app.headers:framing")
async def test_no_reply_lets_itself_be_framed(issuer: LiveIssuer, browser: Browser) -> None:
    for path in ("/login", "/signup", "/nowhere", "/authorize", "/token", "/account", "/logout", "/jwks"):
        headers = (await browser.get(path)).headers
        assert headers["x-frame-options"] == "DENY", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path


# Errors

LOOSE = [
    b"grant_type=%ff", b"grant_type=authorization_code&code=%00", b"&" * 200, b"a=" + b"x" * 9_000,
    b"\xff\xfe", b"=", b"grant_type[]=authorization_code&client_id=spa", b"grant_type=authorization_code;client_id=spa",
]  # fmt: skip


@pytest.mark.parametrize("body", LOOSE)
async def test_a_malformed_form_is_a_client_error_with_a_code(browser: Browser, body: bytes) -> None:
    response = await browser.post("/token", content=body, headers=FORM)
    assert 400 <= response.status_code < 500
    assert response.json()["error"] in {"invalid_request", "invalid_client"}


async def test_a_large_body_is_refused_before_it_is_read(browser: Browser) -> None:
    response = await browser.post("/token", content=b"a" * 1_000_000, headers=FORM)
    assert response.status_code == 413
    asked = await browser.post(
        "/session/lookup", content=b"[" * 100_000, headers={"content-type": "application/json"}
    )
    assert asked.status_code == 401, "nobody is read who did not authenticate"


@pytest.mark.parametrize(
    "body",
    [b"[" * 1_000, b'{"id_hash": 1}', b'{"id_hash": ""}', b'{"id_hash":"a","id_hash":"b"}', b"\xff", b"null"],
)
async def test_a_malformed_look_up_is_a_client_error(browser: Browser, body: bytes) -> None:
    response = await browser.post(
        "/session/lookup", content=body, headers={"content-type": "application/json"},
        auth=(quote(API, safe=""), API_SECRET),
    )  # fmt: skip
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.threat(
    "INF-errors", off=["admit.issuer.app.answers:json_error", "admit.issuer.app.context:App.error_page"]
)
async def test_a_fault_inside_tells_an_id_and_nothing_else(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, verifier = await browser.code()

    async def fault(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("SELECT * FROM user_account -- canary")

    monkeypatch.setattr(issuer.db, "run", fault)
    monkeypatch.setattr(issuer.db, "read", fault)
    for response in (
        await browser.redeem(code, verifier),
        await browser.get("/account"),
        await browser.get("/health/ready"),
        await browser.get("/authorize", params=good()),
    ):
        assert response.status_code == 500
        for secret in ("canary", "Traceback", "RuntimeError", "SELECT", ".py"):
            assert secret not in response.text
