"""What a sign-in refuses: strangers' answers, planted tokens, other people's tokens, providers that are not theirs."""

import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from admit.tokens import identity
from tests.fixtures.provider import OTHER_KEY, Strange
from tests.fixtures.relying_party import APP, Wire
from tests.fixtures.signing_in import Application, begun, come_back, is_signed_in

ANY_BROWSER = ["admit.relying_party.bff.under_way:added", "admit.relying_party.bff.under_way:kept"]


async def outcome(
    strange: Strange, answer: dict[str, str] | None = None, **settings: Any
) -> tuple[int, bool]:
    """The status of the callback, and whether anybody is signed in."""
    application = Application(wire := Wire(), strange.provider(wire, **settings))
    async with begun(application) as (browser, location):
        back = strange.approve(location)
        response = await come_back(browser, {**back, **(answer or {})})
        return response.status_code, await is_signed_in(browser)


@pytest.mark.rfc("OIDC Core", "3.1.3.7")
async def test_a_right_answer_signs_in() -> None:
    assert await outcome(Strange()) == (303, True)


@pytest.mark.threat("6819-4.4.1.6", off=ANY_BROWSER)
@pytest.mark.rfc("9700", "4.5.3")
async def test_a_callback_that_another_browser_opens_signs_nobody_in_and_spends_nothing() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    async with begun(application) as (browser, location), application.browser() as other:
        back = strange.approve(location)
        await other.get("/bff/login")
        for stranger in (other, application.browser()):
            assert (await come_back(stranger, back)).status_code == 400
            assert not await is_signed_in(stranger)
        assert strange.asked == []
        assert (await come_back(browser, back)).status_code == 303


@pytest.mark.threat("6819-4.4.1.8", off=ANY_BROWSER)
@pytest.mark.rfc("9700", "4.7.1")
async def test_the_attackers_answer_in_the_users_browser_signs_nobody_in() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    async with begun(application) as (_, attackers), begun(application) as (user, _):
        assert (await come_back(user, strange.approve(attackers))).status_code == 400
        assert not await is_signed_in(user)


@pytest.mark.threat("6819-4.4.1.8", off="admit.relying_party.store.memory:MemorySessionStore.spend_once")
async def test_a_callback_works_once() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    async with begun(application) as (browser, location):
        back = strange.approve(location)
        assert (await come_back(browser, back)).status_code == 303
        assert (await come_back(browser, back)).status_code == 400
        assert len(strange.asked) == 1


@pytest.mark.threat("6819-4.4.2.5", off="admit.relying_party.answer:check_no_tokens")
@pytest.mark.parametrize("name", ["access_token", "id_token", "refresh_token"])
async def test_a_token_in_the_url_is_planted(name: str) -> None:
    strange = Strange()
    assert await outcome(strange, {name: strange.id_token(None, "x")}) == (400, False)
    assert strange.asked == []


@pytest.mark.threat("9700-mixup", off="admit.relying_party.answer:check_iss")
@pytest.mark.rfc("9207", "2.4")
@pytest.mark.parametrize(
    "iss", ["https://evil.example", "https://id.example.com/", ""], ids=["other", "slash", "empty"]
)
async def test_an_answer_of_another_issuer_stops_before_the_token_request(iss: str) -> None:
    strange = Strange()
    assert await outcome(strange, {"iss": iss}) == (400, False)
    assert strange.asked == []


@pytest.mark.threat("9700-mixup")
async def test_a_missing_iss_stops_where_the_metadata_promises_one_and_errors_are_held_to_it_too() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    for extra in ({}, {"error": "access_denied"}):
        async with begun(application) as (browser, location):
            back = {name: value for name, value in strange.approve(location).items() if name != "iss"}
            assert (await come_back(browser, {**back, **extra})).status_code == 400
    assert strange.asked == []
    silent = Strange(metadata={"authorization_response_iss_parameter_supported": None})
    application = Application(wire := Wire(), silent.provider(wire))
    async with begun(application) as (browser, location):
        back = silent.approve(location)
        del back["iss"]
        assert (await come_back(browser, back)).status_code == 303


async def test_a_doubled_parameter_is_refused() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    for name in ("iss", "state", "code"):
        async with begun(application) as (browser, location):
            back = strange.approve(location)
            path = f"/bff/callback/id?{urlencode([*back.items(), (name, back[name])])}"
            assert (await browser.get(path)).status_code == 400
    assert strange.asked == []


@pytest.mark.threat("9700-mixup", off="admit.relying_party.answer:check_transaction")
@pytest.mark.rfc("9700", "4.4.2.2")
async def test_with_several_providers_each_answer_comes_to_the_redirect_uri_of_its_own() -> None:
    silent = {"authorization_response_iss_parameter_supported": None}
    honest, evil = Strange(metadata=silent), Strange("https://evil.example", metadata=silent)
    wire = Wire()
    application = Application(wire, honest.provider(wire, "honest"), evil.provider(wire, "evil"))
    async with begun(application, provider="evil") as (browser, location):
        # The person believes to sign in with evil, which sends them to honest with its own state.
        back = honest.approve(location)
        del back["iss"]
        assert (await come_back(browser, back, "honest")).status_code == 400
    assert honest.asked == evil.asked == []
    async with begun(application, provider="honest") as (browser, location):
        assert "redirect_uri=https%3A%2F%2Fapp.example.com%2Fbff%2Fcallback%2Fhonest" in location
        assert (await come_back(browser, honest.approve(location), "honest")).status_code == 303


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "other client": {"aud": "other"},
    "several audiences": {"aud": ["app", "other"]},
    "other party": {"aud": ["app", "other"], "azp": "other"},
    "other issuer": {"iss": "https://evil.example"},
    "other nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "other access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "a code in no words": {"c_hash": ["code-0"]},
    "over": {"exp": 1_000_000, "iat": 999_000},
    "no subject": {"sub": None},
    "an access token": {"client_id": "app", "scope": "openid"},
}


@pytest.mark.threat("6819-4.4.2.6", off="admit.tokens.identity:verify")
@pytest.mark.rfc("OIDC Core", "3.1.3.7")
@pytest.mark.parametrize("case", sorted(BAD_CLAIMS))
async def test_an_id_token_that_is_not_of_this_sign_in_signs_nobody_in(case: str) -> None:
    assert await outcome(Strange(claims=BAD_CLAIMS[case])) == (400, False)


@pytest.mark.threat("9700-codeinject", off="admit.relying_party.identity:check_code")
@pytest.mark.rfc("OIDC Core", "3.3.2.10")
async def test_an_id_token_that_names_a_code_is_of_no_other() -> None:
    for of, signs_in in (("code-0", (303, True)), ("another", (400, False)), ("", (400, False))):
        assert await outcome(Strange(claims={"c_hash": identity.c_hash(of, "RS256")})) == signs_in, of


@pytest.mark.threat("6819-4.4.2.6")
async def test_without_an_id_token_or_with_one_of_another_key_nobody_is_signed_in() -> None:
    assert await outcome(Strange(answer={"id_token": None})) == (400, False)
    assert await outcome(Strange(key=OTHER_KEY)) == (400, False)


@pytest.mark.threat("6819-4.4.2.6", off="admit.relying_party.identity:check_subject")
@pytest.mark.rfc("OIDC Core", "5.3.2")
async def test_userinfo_of_somebody_else_signs_nobody_in() -> None:
    assert await outcome(Strange(userinfo={"sub": "bo"}), userinfo=True) == (400, False)
    assert await outcome(Strange(userinfo={}), userinfo=True) == (400, False)
    assert await outcome(Strange(), userinfo=True) == (303, True)


@pytest.mark.rfc("OIDC Core", "3.1.2.1")
async def test_the_age_and_the_class_that_were_asked_for_are_held() -> None:
    hour: dict[str, Any] = {"max_age": timedelta(hours=1)}
    assert await outcome(Strange(), **hour) == (400, False)
    assert await outcome(Strange(claims={"auth_time": int(time.time()) - 7_200}), **hour) == (400, False)
    assert await outcome(Strange(claims={"auth_time": int(time.time()) - 60}), **hour) == (303, True)
    assert await outcome(Strange(claims={"acr": "weak"}), acr_values=["strong"]) == (400, False)
    assert await outcome(Strange(claims={"acr": "strong"}), acr_values=["strong"]) == (303, True)


@pytest.mark.rfc("OAuth Form Post", "2")
async def test_a_posted_answer_reaches_its_browser_without_the_lax_cookie_and_no_other() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire, response_mode="form_post"))
    async with begun(application) as (browser, location), application.browser() as cross_site:
        assert "response_mode=form_post" in location
        back = strange.approve(location)
        # A browser sends no Lax cookie with another site's POST.
        posted = await cross_site.post("/bff/callback/id", data=back)
        assert posted.status_code == 303
        assert back["code"] not in str(posted.headers)
        again = posted.headers["location"].removeprefix(APP)
        assert (await cross_site.get(again)).status_code == 400, "it began no sign-in"
        assert (await browser.get(again)).status_code == 400, "no answer came to it"
        assert strange.asked == []
        browser.cookies.update(cross_site.cookies)
        assert (await browser.get(f"{again}&code=planted")).status_code == 400
        assert (await browser.get(again)).status_code == 303
        assert await is_signed_in(browser)
        assert (await browser.get(again)).status_code == 400, "once"
        huge = await cross_site.post("/bff/callback/id", data={**back, "code": "x" * 8_000})
        assert (huge.status_code, "set-cookie" in huge.headers) == (400, False)
    async with begun(application) as (browser, location):
        assert (await come_back(browser, strange.approve(location))).status_code == 400
    application = Application(wire := Wire(), strange.provider(wire))
    async with begun(application) as (browser, location), application.browser() as cross_site:
        back = strange.approve(location)
        assert (await cross_site.post("/bff/callback/id", data=back)).status_code == 400
        assert (await browser.post("/bff/callback/id", data=back)).status_code == 400


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/orders?a=1#top", "/orders?a=1#top"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("orders", "/"),
        ("", "/"),
    ],
    ids=["own", "absolute", "host", "backslash", "backslashes", "tab", "line", "script", "relative", "empty"],
)
async def test_people_land_in_the_application_whatever_next_says(wanted: str, reached: str) -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    async with begun(application, next=wanted) as (browser, location):
        answer = await come_back(browser, strange.approve(location))
        assert (answer.status_code, answer.headers["location"]) == (303, reached)


async def test_what_the_provider_says_no_with_is_not_shown() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    async with begun(application) as (browser, location):
        state = strange.approve(location)["state"]
        told = {
            "state": state,
            "error": "<script>",
            "error_description": "<b>hello</b>",
            "iss": strange.issuer,
        }
        answer = await come_back(browser, told)
        assert answer.status_code == 400
        assert "script" not in answer.text
        assert "hello" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        chinese = await browser.get(
            "/bff/callback/id", headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}
        )
        assert "重新登录" in chinese.text


async def test_a_provider_that_does_not_answer_is_503_and_one_that_is_unknown_400() -> None:
    wire = Wire()
    application = Application(wire, Strange().provider(wire))
    wire.apps.clear()
    async with application.browser() as browser:
        assert (await browser.get("/bff/login")).status_code == 503
        assert (await browser.get("/bff/login?provider=other")).status_code == 400
        assert (await browser.get("/bff/callback/other")).status_code == 400
        assert (await browser.get("/bff/else")).status_code == 404
        assert (await browser.post("/bff/login")).status_code == 405


async def test_the_log_says_which_error_the_provider_answered_and_nothing_else_that_stands_beside_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for error, told in (("invalid_scope", "invalid_scope"), ("made\nup", "unregistered")):
        application = Application(wire := Wire(), (strange := Strange()).provider(wire))
        async with begun(application) as (browser, location):
            back = {**strange.approve(location), "error": error, "error_description": "of-the-address"}
            assert (await come_back(browser, back)).status_code == 400
        # Of ours: what the client of this test says of its requests is its own.
        said = [record.getMessage() for record in caplog.records if record.name.startswith("admit")]
        assert said[-1].endswith(f"the provider answered with an error: {told}")
        assert not any(word in line for line in said for word in ("of-the-address", "made"))
