"""`/introspect` and `/revoke`, for JWT and opaque access tokens and refresh tokens: RFC 7662, RFC 9701, RFC 7009."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from admit.errors import AudienceError
from admit.fetch import Response
from admit.issuer.audit import RequestInfo
from admit.issuer.clients.records import TokenFormat
from admit.issuer.clients.rules import hash_secret
from admit.issuer.oauth import reference
from admit.issuer.storage import Keyring
from admit.jose import claims as jose_claims
from admit.jose.waive import Waive
from admit.verifier.introspection import Introspection, members_of, principal, question
from admit.verifier.trust import TrustedIssuer
from tests.fixtures.issuer import (
    ADA,
    API,
    API_SECRET,
    CLIENTS,
    RESOURCE,
    WEB_SECRET,
    Browser,
    LiveIssuer,
    running,
    settings_for,
)

pytestmark = pytest.mark.anyio
INFO = RequestInfo()
VAULT = "http://localhost:8413"
VAULT_SECRET = "the-vault-and-nobody-else-knows-this"  # of this test alone
OPAQUE = replace(
    RESOURCE,
    id=VAULT,
    name="Vault",
    scopes={"vault:open": "Open it", "vault:admin": "Build it"},
    roles={"*": frozenset({"vault:open"}), "admin": frozenset({"vault:admin"})},
    secret_hash=hash_secret(VAULT_SECRET),
    access_token_format=TokenFormat.OPAQUE,
)
BOTH = tuple(
    replace(
        one,
        resources=frozenset({API, VAULT}),
        scopes=one.scopes | {"vault:open", "vault:admin"},
        grant_types=one.grant_types,
    )
    for one in CLIENTS
)
# The parameters of an authorization request for each kind of access token.
KINDS: dict[str, dict[str, str]] = {
    "jwt": {"scope": "openid orders:own orders:read", "resource": API},
    "opaque": {"scope": "openid vault:admin vault:open", "resource": VAULT},
}
SECRETS = {API: API_SECRET, VAULT: VAULT_SECRET}
kinds = pytest.mark.parametrize("kind", list(KINDS))


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """One API that reads JWTs, one that asks about opaque tokens; the same clients for both."""
    settings = settings_for(furnished_sqlite, resource=(RESOURCE, OPAQUE), client=BOTH)
    async with running(settings, keyring) as made:
        yield made


@pytest.fixture
async def browser(issuer: LiveIssuer) -> Browser:
    return issuer.browser()


async def granted(browser: Browser, kind: str, client: str = "spa") -> dict[str, Any]:
    """Tokens whose access token is of this kind."""
    return await browser.tokens(ADA, client, **KINDS[kind])


async def ask(
    browser: Browser, token: str, caller: str = API, secret: str | None = None, **headers: str
) -> httpx2.Response:
    """What an API asks."""
    auth = (quote(caller, safe=""), secret if secret is not None else SECRETS[caller])
    return await browser.post("/introspect", data={"token": token}, auth=auth, headers=headers)


async def ask_as_web(browser: Browser, token: str) -> dict[str, Any]:
    """What the confidential client asks."""
    answer = await browser.post("/introspect", data={"token": token}, auth=("web", WEB_SECRET))
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def told(browser: Browser, token: str, kind: str) -> dict[str, Any]:
    """What the token's own API is told."""
    answer = await ask(browser, token, KINDS[kind]["resource"])
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.rfc("7662", "2.2")
@pytest.mark.rfc("9068", "2.2")
async def test_an_api_is_told_what_a_token_made_for_it_says(issuer: LiveIssuer, browser: Browser) -> None:
    for kind in KINDS:
        tokens = await granted(browser, kind)
        answer = await ask(browser, tokens["access_token"], KINDS[kind]["resource"])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        said = answer.json()
        user = await issuer.services.accounts.find(ADA[0])
        assert user is not None
        # The spa's tokens are for /userinfo too, so it has two audiences.
        assert said["aud"] == sorted([KINDS[kind]["resource"], issuer.settings.issuer])
        assert said["active"] is True
        assert said["sub"] == user.id
        assert said["iss"] == issuer.settings.issuer
        assert said["client_id"] == "spa"
        assert said["token_type"] == "Bearer"
        assert said["scope"] == KINDS[kind]["scope"]
        assert said["roles"] == ["admin"]
        assert "groups" not in said, "there are none"
        assert said["exp"] - said["iat"] == tokens["expires_in"]
        assert said["acr"] == "urn:admit:acr:1fa"
        assert said["amr"] == ["pwd"]
        assert said["auth_time"] <= said["iat"]
        assert said["status"]["status_list"]["uri"].startswith(issuer.settings.issuer + "/status/")
        assert said.keys() == {
            "active", "iss", "sub", "aud", "client_id", "token_type", "iat", "exp", "jti", "sid", "status", "scope",
            "auth_time", "acr", "amr", "roles",
        }  # fmt: skip


@pytest.mark.threat("6819-4.6.5", off="admit.issuer.oauth.introspect:may_learn")
@pytest.mark.threat("EXT-introspect", off="admit.issuer.oauth.introspect:may_learn")
async def test_another_api_is_told_that_it_is_not_active_and_nothing_more(browser: Browser) -> None:
    for kind in KINDS:
        token = (await granted(browser, kind))["access_token"]
        assert (await told(browser, token, kind))["active"] is True
        (other,) = {API, VAULT} - {KINDS[kind]["resource"]}
        answer = await ask(browser, token, other)
        assert answer.status_code == 200
        assert answer.json() == {"active": False}


@pytest.mark.rfc("7662", "2.1")
async def test_a_confidential_client_is_told_of_its_own_tokens_alone(
    issuer: LiveIssuer, browser: Browser
) -> None:
    for kind in KINDS:
        own = await granted(browser, kind, "web")
        others = await granted(browser, kind, "spa")
        for name in ("access_token", "refresh_token"):
            said = await ask_as_web(browser, own[name])
            assert (said["active"], said["client_id"]) == (True, "web")
            assert ("token_type" in said) is (name == "access_token"), "no API takes a refresh token"
            assert await ask_as_web(browser, others[name]) == {"active": False}
        assert await told(browser, own["refresh_token"], kind) == {"active": False}, "of an API's no concern"


@pytest.mark.rfc("7662", "2.1")
@pytest.mark.threat("EXT-introspect", off="admit.issuer.app.routes.introspect:check_confidential")
async def test_who_has_no_secret_is_told_nothing(browser: Browser) -> None:
    token = (await browser.tokens())["access_token"]
    form = {"token": token}
    for answer in (
        await browser.post("/introspect", data={**form, "client_id": "spa"}),
        await browser.post("/introspect", data=form),
        await browser.post("/introspect", data=form, headers={"authorization": f"Bearer {token}"}),
        await browser.post("/introspect", data=form, auth=("web", "wrong")),
        await ask(browser, token, API, "wrong"),
        await ask(browser, token, API, VAULT_SECRET),
        await ask(browser, token, API + "/", API_SECRET),
    ):
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"
        assert answer.headers["www-authenticate"].startswith("Basic ")
        assert "active" not in answer.json()
    assert (await ask(browser, token)).json()["active"] is True


@pytest.mark.rfc("6749", "2.3.1")
async def test_an_api_may_send_its_id_encoded_or_as_it_stands(browser: Browser) -> None:
    token = (await browser.tokens())["access_token"]
    for caller in (quote(API, safe=""), API):  # `curl -u` and many libraries encode nothing
        for secret, status in (
            (API_SECRET, 200),
            ("wrong", 401),
            (VAULT_SECRET, 401),
            (f"x:{API_SECRET}", 401),
        ):
            answer = await browser.post("/introspect", data={"token": token}, auth=(caller, secret))
            assert answer.status_code == status
            assert ("active" in answer.json()) is (status == 200)


@pytest.mark.threat("WEB-method", off="admit.issuer.app.dispatch:handler_of")
async def test_introspection_is_a_form_by_post_alone(browser: Browser) -> None:
    token = (await browser.tokens())["access_token"]
    auth = (quote(API, safe=""), API_SECRET)
    assert (await browser.get("/introspect", params={"token": token}, auth=auth)).status_code == 405
    assert (await browser.post("/introspect", json={"token": token}, auth=auth)).status_code == 415
    in_address = await browser.post("/introspect", params={"token": token}, data={"token": token}, auth=auth)
    assert in_address.json()["error"] == "invalid_request"
    assert (await browser.post("/introspect", data={"a": "b"}, auth=auth)).json()[
        "error"
    ] == "invalid_request"
    assert (await ask(browser, token)).status_code == 200


@pytest.mark.rfc("7662", "2.2")
async def test_what_is_no_token_is_not_active(browser: Browser) -> None:
    for kind in KINDS:
        tokens = await granted(browser, kind, "web")
        good = tokens["access_token"]
        for bad in (
            "abc", "a.b.c", good[:-2], good + "A", good + ".", " " + good, "é" * 9, reference.PREFIX,
            reference.PREFIX + "A" * 400, tokens["id_token"], "x" * 8_000, tokens["refresh_token"][:-1],
        ):  # fmt: skip
            assert await told(browser, bad, kind) == {"active": False}
            assert await ask_as_web(browser, bad) == {"active": False}
        assert (await told(browser, good, kind))["active"] is True


async def test_a_token_that_expired_is_not_active(issuer: LiveIssuer, browser: Browser) -> None:
    for kind in KINDS:
        tokens = await granted(browser, kind)
        issuer.clock.advance(tokens["expires_in"] - 1)
        assert (await told(browser, tokens["access_token"], kind))["active"] is True
        issuer.clock.advance(2)
        assert await told(browser, tokens["access_token"], kind) == {"active": False}


@pytest.mark.rfc("7009", "2.1")
@pytest.mark.threat("EXT-revoke", off="admit.issuer.oauth.shown:is_alive")
async def test_a_client_revokes_by_either_token_and_both_are_dead_at_once(browser: Browser) -> None:
    for kind in KINDS:
        bystander = await granted(browser, kind, "web")
        for name, hints in (
            ("access_token", ({}, {"token_type_hint": "refresh_token"})),
            ("refresh_token", ({"token_type_hint": "no_such_type"},)),
        ):
            for hint in hints:
                tokens = await granted(browser, kind, "web")
                form = {"token": tokens[name], **hint}
                for _ in range(2):
                    assert (
                        await browser.post("/revoke", data=form, auth=("web", WEB_SECRET))
                    ).status_code == 200
                assert await told(browser, tokens["access_token"], kind) == {"active": False}
                assert await ask_as_web(browser, tokens["refresh_token"]) == {"active": False}
                again = await browser.refresh(tokens["refresh_token"], "web")
                assert again.json()["error"] == "invalid_grant"
        assert (await told(browser, bystander["access_token"], kind))["active"] is True
        assert (await ask_as_web(browser, bystander["refresh_token"]))["active"] is True


@pytest.mark.rfc("7009", "2.1")
@pytest.mark.threat("EXT-revoke", off="admit.issuer.grants.ends:is_its_own")
async def test_a_client_revokes_nobody_elses_token(browser: Browser) -> None:
    for kind in KINDS:
        tokens = await granted(browser, kind, "spa")
        for name in ("access_token", "refresh_token"):
            answer = await browser.post("/revoke", data={"token": tokens[name]}, auth=("web", WEB_SECRET))
            assert (answer.status_code, answer.content) == (200, b""), (
                "who asks is not told whether it is one"
            )
        assert (await told(browser, tokens["access_token"], kind))["active"] is True
        assert (await browser.refresh(tokens["refresh_token"])).status_code == 200


@kinds
@pytest.mark.threat("SES-6", off="admit.issuer.oauth.shown:is_alive")
async def test_what_was_ended_or_taken_is_seen_at_once(
    issuer: LiveIssuer, browser: Browser, kind: str
) -> None:
    accounts = issuer.services.accounts
    user = await accounts.find(ADA[0])
    assert user is not None
    token = (await granted(browser, kind))["access_token"]
    assert (await told(browser, token, kind))["active"] is True
    page = await browser.get("/logout")
    assert (await browser.submit("/logout", page.text)).status_code == 200
    assert await told(browser, token, kind) == {"active": False}
    token = (await granted(browser, kind))["access_token"]
    assert "admin" in (await told(browser, token, kind))["roles"]
    await accounts.remove_role(user.id, "admin", info=INFO, now=issuer.clock())
    assert await told(browser, token, kind) == {"active": False}
    token = (await granted(browser, kind))["access_token"]
    said = await told(browser, token, kind)
    assert "roles" not in said
    assert ("read" in said["scope"], "admin" in said["scope"]) == (False, False)
    await accounts.disable(user.id, info=INFO, now=issuer.clock())
    assert await told(browser, token, kind) == {"active": False}


@pytest.mark.rfc("9701", "5")
async def test_an_answer_is_signed_for_who_asks_so_and_passes_for_no_token(
    issuer: LiveIssuer, browser: Browser
) -> None:
    for kind in KINDS:
        token = (await granted(browser, kind))["access_token"]
        resource = KINDS[kind]["resource"]
        media = "application/token-introspection+jwt"
        plain = (await ask(browser, token, resource)).json()
        for caller, expected in ((resource, plain), (({API, VAULT} - {resource}).pop(), {"active": False})):
            answer = await ask(browser, token, caller, accept=media)
            assert answer.headers["content-type"] == media
            assert answer.headers["cache-control"] == "no-store"
            policy = jose_claims.ClaimPolicy(
                issuer=issuer.settings.issuer,
                audience=caller,
                typ="token-introspection+jwt",
                accept_expired=Waive.EXPIRY,
            )
            keys = issuer.keys.snapshot.token_keys
            claims = jose_claims.verify(answer.text, keys, policy, issuer.clock())
            assert claims.keys() == {"iss", "aud", "iat", "token_introspection"}
            assert claims["token_introspection"] == expected
            assert await told(browser, answer.text, kind) == {"active": False}
        for accept in ("*/*", "application/json", f"{media};q=0, application/json"):
            answer = await ask(browser, token, resource, accept=accept)
            assert answer.headers["content-type"] == "application/json"


@pytest.mark.rfc("7662", "2.2")
async def test_our_own_verifier_takes_each_answer(issuer: LiveIssuer, browser: Browser) -> None:
    keys = issuer.keys.snapshot.token_keys
    for kind in KINDS:
        token, resource = (await granted(browser, kind))["access_token"], KINDS[kind]["resource"]
        for signed in (False, True):
            terms = Introspection(
                client_id=resource, secret=SECRETS[resource], signed=signed, prefix=reference.PREFIX
            )
            trust = TrustedIssuer(issuer.settings.issuer, audience=resource, jwks=keys, introspection=terms)
            body, headers = question(terms, token)
            answer = await browser.post("/introspect", content=body, headers=dict(headers))
            response = Response(answer.status_code, answer.headers, answer.content)
            members = members_of(response, trust, terms, lambda: keys, issuer.clock())
            who = principal(members, trust, terms, issuer.clock())
            assert (who.client_id, who.roles, who.acr) == ("spa", frozenset({"admin"}), "urn:admit:acr:1fa")
            assert who.scopes == frozenset(KINDS[kind]["scope"].split())
            assert resource in who.audience
            other = TrustedIssuer(
                issuer.settings.issuer, audience="https://x.example", jwks=keys, introspection=terms
            )
            with pytest.raises(AudienceError):
                principal(members, other, terms, issuer.clock())


@pytest.mark.threat("6819-4.3.2")
async def test_no_access_token_is_found_in_the_database(
    issuer: LiveIssuer, browser: Browser, furnished_sqlite: str
) -> None:
    issued = []
    for kind in KINDS:
        issued.append(await granted(browser, kind, "web"))
        for _ in range(20):
            answer = await browser.refresh(issued[-1]["refresh_token"], "web")
            issued.append(answer.json())
    user = await issuer.services.accounts.find(ADA[0])
    assert user is not None
    path = Path(furnished_sqlite.removeprefix("sqlite:///"))
    kept = b"".join(one.read_bytes() for one in path.parent.iterdir() if one.name.startswith(path.name))
    assert user.id.encode() in kept, "this is what is searched"
    for tokens in issued:
        for part in re.split(r"[.]", tokens["access_token"]):
            assert part[-40:].encode() not in kept
    assert issued[0]["refresh_token"].encode() not in kept


@pytest.mark.threat("6819-4.6.5", off="admit.issuer.oauth.userinfo:check_audience")
async def test_opaque_tokens_open_userinfo_where_the_issuer_is_an_audience(browser: Browser) -> None:
    for client, status in (("spa", 200), ("web", 401)):  # `userinfo_audience` is the spa's alone
        token = (await granted(browser, "opaque", client))["access_token"]
        answer = await browser.get("/userinfo", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == status
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_the_metadata_names_the_endpoint(browser: Browser) -> None:
    said = (await browser.get("/.well-known/oauth-authorization-server")).json()
    assert said["introspection_endpoint"] == f"{said['issuer']}/introspect"
    assert "none" not in said["introspection_endpoint_auth_methods_supported"]
    assert "client_secret_basic" in said["introspection_endpoint_auth_methods_supported"]
    assert said["introspection_signing_alg_values_supported"] == ["ES256", "RS256"]
