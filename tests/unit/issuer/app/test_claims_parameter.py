"""The `claims` parameter, OpenID Connect Core §5.5: what it opens, what it cannot, and whom it may name."""

import base64
import json
from typing import Any

import pytest

from admit.issuer.oauth.authorize import claims
from admit.issuer.oauth.errors import InvalidRequestError
from tests.fixtures.issuer import ADA, BO, ISSUER, Browser, LiveIssuer, answer_of, pkce, request_of
from tests.threats.whole import user_id_of

pytestmark = pytest.mark.anyio


def asking(**places: Any) -> str:
    return json.dumps(places)


def payload(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


async def told(browser: Browser, tokens: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The claims about the person in the ID token and at userinfo."""
    answer = await browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert answer.status_code == 200, answer.text
    about = {"name", "email", "email_verified", "updated_at", "locale"}
    return payload(tokens["id_token"]).keys() & about, answer.json().keys() & about


@pytest.mark.rfc("OIDC Core", "5.5")
async def test_each_place_has_the_claims_that_were_asked_for_it(browser: Browser) -> None:
    wanted = asking(
        userinfo={"email": {"essential": True}, "nobodys": None}, id_token={"name": None, "odd#ja": None}
    )
    tokens = await browser.tokens(scope="openid", claims=wanted, client="spa")
    assert tokens["scope"] == "openid"
    assert await told(browser, tokens) == ({"name"}, {"email"})
    refreshed = (await browser.refresh(tokens["refresh_token"])).json()
    assert await told(browser, refreshed) == ({"name"}, {"email"})
    plain = await browser.tokens(scope="openid")
    assert await told(browser, plain) == (set(), set())


@pytest.mark.rfc("OIDC Core", "5.5")
async def test_a_claim_of_a_scope_that_the_client_may_not_ask_for_is_not_given(
    issuer: LiveIssuer, browser: Browser
) -> None:
    wanted = asking(userinfo={"phone_number": {"essential": True}, "roles": None, "sub": None})
    tokens = await browser.tokens(scope="openid", claims=wanted)
    answer = await browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert answer.json().keys() == {"sub"}


@pytest.mark.rfc("OIDC Core", "5.5")
@pytest.mark.threat(
    "9700-privilege", off="admit.issuer.oauth.authorize.request:AuthorizeRequest.granted_claims"
)
async def test_consent_names_what_the_claims_are_of_and_a_tick_taken_away_keeps_them_back(
    browser: Browser,
) -> None:
    wanted = asking(id_token={"email": None, "name": None})
    verifier, challenge = pkce()
    request = {**request_of("web"), "scope": "openid", "claims": wanted, "code_challenge": challenge}
    consent = await browser.sign_in(ADA, **request)
    page = await browser.get(consent.headers["location"])
    for name in ("email", "profile"):
        assert f'name="keep:{name}"' in page.text
    kept = {"ticked": "1", "keep:openid": "on", "keep:profile": "on", "decision": "allow"}
    back = await browser.submit("/consent", page.text, **kept)
    answer = (await browser.redeem(answer_of(back)["code"], verifier, "web")).json()
    assert answer["scope"] == "openid"
    assert payload(answer["id_token"])["name"] == ADA[2]
    assert "email" not in payload(answer["id_token"])


@pytest.mark.rfc("OIDC Core", "5.5.1")
async def test_a_client_that_names_a_person_is_given_nobody_else(
    issuer: LiveIssuer, browser: Browser
) -> None:
    ada, bo = await user_id_of(issuer, ADA[0]), await user_id_of(issuer, BO[0])
    await browser.sign_in(ADA)

    def naming(*people: str, **more: str) -> dict[str, str]:
        asked = {"value": people[0]} if len(people) == 1 else {"values": list(people)}
        return {
            **request_of("spa"),
            "code_challenge": pkce()[1],
            "claims": asking(id_token={"sub": asked}),
            **more,
        }

    assert "code" in answer_of(await browser.get("/authorize", params=naming(ada)))
    assert "code" in answer_of(await browser.get("/authorize", params=naming(bo, ada, prompt="none")))
    silent = await browser.get("/authorize", params=naming(bo, prompt="none"))
    assert answer_of(silent)["error"] == "login_required"
    asked = await browser.get("/authorize", params=naming(bo))
    assert asked.headers["location"].startswith("/login?")
    page = await browser.get(asked.headers["location"])
    again = await browser.submit("/login", page.text, email=ADA[0], password=ADA[1])
    assert answer_of(again)["error"] == "login_required"
    page = await browser.get((await browser.get("/authorize", params=naming(bo))).headers["location"])
    assert "code" in answer_of(await browser.submit("/login", page.text, email=BO[0], password=BO[1]))


@pytest.mark.rfc("OIDC Core", "5.5.1")
@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", '"a"', "null", '{"userinfo":[]}', '{"userinfo":{"email":"x"}}', '{"id_token":{"name":[]}}',
     '{"userinfo":{"email":{"essential":"yes"}}}', '{"id_token":{"sub":{"value":1}}}',
     '{"id_token":{"sub":{"values":"a"}}}', '{"id_token":{"sub":{"values":[{}]}}}', '{"userinfo":{},"userinfo":{}}',
     '{"id_token":{"acr":{"essential":true,"values":"x"}}}', '{"userinfo":' + "[" * 500 + "]" * 500 + "}",
     json.dumps({"userinfo": {f"c{n}": None for n in range(101)}}),
     json.dumps({"id_token": {"sub": {"values": ["a"] * 21}}}), '{"userinfo":{"name":{"essential":NaN}}}'],
)  # fmt: skip
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        claims.read(text)
    assert refused.value.code == "invalid_request"


@pytest.mark.parametrize(
    "text",
    ["{}", '{"userinfo":null}', '{"other":[1],"userinfo":{"email":null,"x":{"y":1}}}', '{"id_token":{}}'],
)
def test_what_is_not_understood_is_ignored(text: str) -> None:
    assert claims.read(text).subjects is None


async def test_the_metadata_says_that_it_is_read(browser: Browser) -> None:
    answer = (await browser.get("/.well-known/openid-configuration")).json()
    assert (answer["claims_parameter_supported"], answer["issuer"]) == (True, ISSUER)
