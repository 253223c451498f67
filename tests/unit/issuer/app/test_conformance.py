"""What modules of the OpenID Foundation's conformance suite look at, as they ask it: a confidential client of profile
`oidc` without PKCE, `client_secret_basic`, one session. Only what no other test holds; docs/conformance.md has all.
"""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from admit.issuer import Client
from admit.issuer.clients.config import RegistrationConfig
from admit.issuer.clients.records import Profile
from admit.issuer.clients.registration import Registration
from admit.issuer.storage import Keyring
from admit.jose import jws
from tests.fixtures.issuer import (
    ADA,
    Browser,
    LiveIssuer,
    answer_of,
    running,
    settings_for,
)

pytestmark = pytest.mark.anyio
ALIAS = "https://suite.example/test/a/admit"
SECRET = "the-suite-and-nobody-else-knows-this-secret"
SCOPES = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
SUITE = Client(
    id="suite",
    name="Conformance suite",
    public=False,
    secret_hashes=(hashlib.sha256(SECRET.encode()).digest(),),
    redirect_uris=(f"{ALIAS}/callback",),
    scopes=SCOPES,
    require_pkce=False,
    profile=Profile.OIDC,
)
SECOND = replace(SUITE, id="suite-2")
OPENED = ("name", "email", "email_verified", "updated_at")


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """Set up as docs/conformance.md says."""
    settings = settings_for(
        furnished_sqlite,
        client=(SUITE, SECOND, replace(SUITE, id="other-profile", profile=Profile.OAUTH21)),
        registration=RegistrationConfig(enabled=True, require_pkce=False, profile=Profile.OIDC),
    )
    async with running(settings, keyring) as made:
        yield made


def asked(client: str = "suite", **changes: str) -> dict[str, str]:
    return {
        "client_id": client, "redirect_uri": f"{ALIAS}/callback", "scope": "openid", "state": "a-state",
        "nonce": "a-nonce", "response_type": "code", **changes,
    }  # fmt: skip


def encode(octets: bytes) -> bytes:
    return urlsafe_b64encode(octets).rstrip(b"=")


async def answered(browser: Browser, **request: str) -> dict[str, str]:
    """The answer at the callback, with whatever pages are asked on the way."""
    response = await browser.get("/authorize", params=asked(**request))
    for path, form in (
        ("/login", {"email": ADA[0], "password": ADA[1]}),
        ("/consent", {"decision": "allow"}),
    ):
        if response.headers["location"].startswith(path):
            page = await browser.get(response.headers["location"])
            response = await browser.submit(path, page.text, **form)
    assert response.headers["location"].startswith(f"{ALIAS}/callback?"), response.headers["location"]
    return answer_of(response)


async def redeemed(
    browser: Browser, code: str, client: str = "suite", secret: str = SECRET
) -> httpx2.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{ALIAS}/callback"}
    return await browser.post("/token", data=form, auth=(client, secret))


async def tokens_of(browser: Browser, client: str = "suite", **request: str) -> dict[str, Any]:
    code = (await answered(browser, client_id=client, **request))["code"]
    response = await redeemed(browser, code, client)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.rfc("OIDC Core", "5.4")
async def test_scopes_open_userinfo_and_the_id_token_only_where_the_profile_says_so(browser: Browser) -> None:
    """oidcc-scope-profile, -email, -all, oidcc-alternate-happy-flow; the `claims` parameter asks all the same."""
    for client, there in (("suite", False), ("other-profile", True)):
        tokens = await tokens_of(browser, client, scope="phone address email profile openid")
        said = jws.peek_unverified_claims(tokens["id_token"])
        assert {name: name in said for name in OPENED} == dict.fromkeys(OPENED, there), client
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        told = (await browser.get("/userinfo", headers=bearer)).json()
        assert told.keys() >= set(OPENED)
        assert told["sub"] == said["sub"]
    tokens = await tokens_of(browser, claims='{"id_token": {"name": {"essential": true}}}')
    assert jws.peek_unverified_claims(tokens["id_token"])["name"] == "Ada"


async def test_what_an_issuer_may_ignore_changes_nothing(issuer: LiveIssuer, browser: Browser) -> None:
    """oidcc-display-page, -display-popup, -ui-locales, -claims-locales, -login-hint, -max-age-10000,
    -ensure-request-with-unknown-parameter-succeeds, -ensure-request-with-acr-values-succeeds,
    -ensure-request-without-nonce-succeeds-for-code-flow.
    """
    first = jws.peek_unverified_claims((await tokens_of(browser))["id_token"])
    for extra in (
        {
            "display": "popup", "ui_locales": "se", "claims_locales": "se", "login_hint": "ada@suite.example",
            "max_age": "10000", "acr_values": "1 2", "extra": "foobar",
        },
        {"display": "page", "nonce": ""},
        {"prompt": "none"},
    ):  # fmt: skip
        tokens = await tokens_of(browser, **extra)
        said = jws.peek_unverified_claims(tokens["id_token"])
        assert (said["sub"], said["auth_time"], said["acr"]) == (
            first["sub"],
            first["auth_time"],
            first["acr"],
        )
        assert said.get("nonce") == (None if "nonce" in extra else "a-nonce")
    strangers = issuer.browser()
    assert (await answered(strangers, prompt="none"))["error"] == "login_required"
    assert (await answered(browser, response_type=""))["error"] == "invalid_request"


@pytest.mark.rfc("OIDC Core", "6.1")
async def test_a_request_object_is_refused_where_its_client_takes_answers(browser: Browser) -> None:
    """oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported, also in the form_post plan, where
    `response_mode` stands in the object alone; oidcc-ensure-request-object-with-redirect-uri.
    """
    within = {**asked(), "response_mode": "form_post"}
    for mode, other in (("form_post", "query"), ("query", "form_post"), (7, "query"), (None, "query")):
        parts = [{"alg": "none"}, {**within, "response_mode": mode}]
        told = ".".join(encode(json.dumps(part).encode()).decode() for part in parts) + "."
        response = await browser.get("/authorize", params=asked(request=told, state=""))
        if mode == "form_post":
            assert response.status_code == 200
            assert f'action="{ALIAS}/callback"' in response.text
            assert 'value="request_not_supported"' in response.text
        else:
            assert answer_of(response)["error"] == "request_not_supported"
        beside = await browser.get("/authorize", params=asked(request=told, response_mode=other))
        assert beside.status_code == (200 if other == "form_post" else 303), "what is said openly goes before"
        nowhere = asked(request=told, redirect_uri=f"{ALIAS}/callback_invalid")
        assert (await browser.get("/authorize", params=nowhere)).status_code == 400
    for broken in ("eyJ", "a.b.c", "\u00e4.", "." * 4_000):
        answer = answer_of(await browser.get("/authorize", params=asked(request=broken)))
        assert answer["error"] == "request_not_supported"


async def test_one_clients_code_and_refresh_token_are_worth_nothing_to_the_other(browser: Browser) -> None:
    """oidcc-refresh-token, with its second client; oidcc-server-client-secret-post."""
    tokens = await tokens_of(browser, "suite-2", scope="openid offline_access", prompt="consent")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    taken = await browser.post("/token", data=form, auth=("suite", SECRET))
    assert (taken.status_code, taken.json()["error"]) == (400, "invalid_grant")
    posted = await browser.post("/token", data={**form, "client_id": "suite-2", "client_secret": SECRET})
    before, after = (jws.peek_unverified_claims(one["id_token"]) for one in (tokens, posted.json()))
    assert {name: after[name] for name in ("iss", "sub", "aud", "auth_time", "azp")} == {
        name: before[name] for name in ("iss", "sub", "aud", "auth_time", "azp")
    }
    code = (await answered(browser, client_id="suite-2"))["code"]
    assert (await redeemed(browser, code)).json()["error"] == "invalid_grant"


async def test_an_invited_client_has_the_profile_of_its_invitation_and_is_forgotten_when_it_asks(
    issuer: LiveIssuer, browser: Browser
) -> None:
    """The `dynamic_client` variant: registration as the suite sends it, -prompt-none-logged-in, and the end."""
    registration = Registration(issuer.db, issuer.registry, issuer.settings.registration)
    token, _ = await registration.invite(uses=1, lifetime=timedelta(minutes=1), now=issuer.clock())
    asks = {
        "client_name": "Suite", "grant_types": ["authorization_code"], "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic", "redirect_uris": [f"{ALIAS}/callback"],
        "contacts": ["suite@example.com"],
    }  # fmt: skip
    made = await browser.post("/clients", json=asks, headers={"authorization": f"Bearer {token}"})
    assert made.status_code == 201, made.text
    mine = made.json()
    code = (await answered(browser, client_id=mine["client_id"], scope="openid email"))["code"]
    tokens = (await redeemed(browser, code, mine["client_id"], mine["client_secret"])).json()
    assert "email" not in jws.peek_unverified_claims(tokens["id_token"])
    assert "code" in await answered(browser, client_id=mine["client_id"], scope="openid email", prompt="none")
    headers = {"authorization": f"Bearer {mine['registration_access_token']}"}
    gone = await browser.delete(mine["registration_client_uri"], headers=headers)
    assert gone.status_code == 204
