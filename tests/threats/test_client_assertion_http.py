"""The ledger's rows on clients that sign with their own key, tried over HTTP against a whole issuer.

`/revoke` is the endpoint that only asks who calls: what proves a client there proves it everywhere.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from admit.cli.explain_settings import settings_of
from admit.issuer import Client
from admit.issuer.clients.records import AuthMethod, Jwks
from admit.issuer.oauth.client_auth import store
from admit.issuer.oauth.client_auth.private_key_jwt import ASSERTION_TYPE
from admit.issuer.oauth.config import OAuthConfig
from admit.issuer.storage import Keyring
from admit.jose import JWK, jws
from tests.fixtures.issuer import (
    API,
    CLIENTS,
    ISSUER,
    WEB_SECRET,
    Browser,
    LiveIssuer,
    make_issuer,
    settings_for,
)
from tests.threats.whole import again, events, rows

pytestmark = pytest.mark.anyio

KEY, OTHER = JWK.generate("ES256", kid="k1"), JWK.generate("ES256", kid="k1")
SIGNER = Client(
    id="signer",
    name="A service",
    public=False,
    grant_types=frozenset({"client_credentials"}),
    token_endpoint_auth_method=AuthMethod.PRIVATE_KEY_JWT,
    jwks=Jwks(json.dumps({"keys": [KEY.public().to_dict()]})),
    scopes=frozenset({"orders:read"}),
    resources=frozenset({API}),
    default_resource=API,
)
LOOSE = replace(SIGNER, id="loose", token_endpoint_audience=True)
NEIGHBOUR = replace(SIGNER, id="neighbour", jwks=Jwks(json.dumps({"keys": [OTHER.public().to_dict()]})))


def settings(database: str, **changes: Any) -> Any:
    return settings_for(database, client=(*CLIENTS, SIGNER, LOOSE, NEIGHBOUR), **changes)


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    async with running(make_issuer(settings(furnished_sqlite), keyring)) as made:
        yield made


@asynccontextmanager
async def running(made: LiveIssuer) -> AsyncIterator[LiveIssuer]:
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


def claims(now: float, **changes: Any) -> dict[str, Any]:
    """What a client's assertion says; a change to None leaves it out."""
    whole = {
        "iss": "signer",
        "sub": "signer",
        "aud": ISSUER,
        "jti": secrets.token_urlsafe(8),
        "iat": int(now),
        "exp": int(now) + 60,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def sign(members: dict[str, Any], key: JWK = KEY, typ: str | None = None) -> str:
    return jws.sign(json.dumps(members).encode(), key, typ=typ)


def without_kid(key: JWK) -> JWK:
    members = key.to_dict(private=True)
    del members["kid"]
    return JWK.load(members)


def forged(header: dict[str, Any], members: dict[str, Any], mac: bytes | None = None) -> str:
    """A compact token that no library would make."""
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, members)]
    signing_input = b".".join(encoded)
    signature = hmac.digest(mac, signing_input, hashlib.sha256) if mac is not None else b""
    return b".".join((signing_input, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


def form(assertion: str, **changes: str) -> dict[str, str]:
    return {
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "token": "unknown",
        **changes,
    }


async def asked(browser: Browser, assertion: str, **changes: str) -> httpx2.Response:
    return await browser.post("/revoke", data=form(assertion, **changes))


def outcome(response: httpx2.Response) -> tuple[int, str | None]:
    return response.status_code, response.json()["error"] if response.content else None


REFUSED = (401, "invalid_client")


@pytest.mark.rfc("7523", "2.2")
@pytest.mark.rfc("7523", "3")
@pytest.mark.rfc("7521", "4.2")
@pytest.mark.rfc("OIDC Core", "9")
async def test_a_client_is_proven_by_what_it_signed(issuer: LiveIssuer, browser: Browser) -> None:
    now = int(issuer.clock.now)
    good = {
        "plain": sign(claims(now)),
        "typ JWT": sign(claims(now), typ="JWT"),
        "its own typ": sign(claims(now), typ="client-authentication+jwt"),
        "a clock 8 s ahead": sign(claims(now, iat=now + 8, nbf=now + 8)),
        "no iat": sign(claims(now, iat=None)),
        "half a second": sign(claims(now, exp=now + 59.5)),
        "five minutes": sign(claims(now, exp=now + 300)),
        "no kid": sign(claims(now), without_kid(KEY)),
        "a claim of its own": sign(claims(now, purpose="tests")),
    }
    for what, assertion in good.items():
        assert outcome(await asked(browser, assertion)) == (200, None), what
    assert outcome(await asked(browser, sign(claims(now)), client_id="signer")) == (200, None)
    told = [one for one in await events(issuer) if one["event"] == "client.refused"]
    assert told == []


@pytest.mark.rfc("7523", "3")
@pytest.mark.rfc("8725", "3.1")
@pytest.mark.rfc("8725", "3.11")
@pytest.mark.rfc("6749", "5.2")
@pytest.mark.threat("EXT-assert", off="admit.issuer.oauth.client_auth.private_key_jwt:check_near")
async def test_an_assertion_with_anything_wrong_proves_nobody(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    many = settings(furnished_sqlite, oauth=OAuthConfig(wrong_codes_per_minute=1_000))
    async with running(make_issuer(many, keyring)) as issuer:
        browser, now = issuer.browser(), int(issuer.clock.now)
        public = json.dumps(KEY.public().to_dict()).encode()
        wrong = {
            "expired": sign(claims(now, exp=now - 31)),
            "an hour": sign(claims(now, exp=now + 3_600)),
            "no exp": sign(claims(now, exp=None)),
            "exp in words": sign(claims(now, exp="soon")),
            "issued in a minute": sign(claims(now, iat=now + 61)),
            "good in a minute": sign(claims(now, nbf=now + 61)),
            "no iss": sign(claims(now, iss=None)),
            "other iss": sign(claims(now, iss="neighbour")),
            "no sub": sign(claims(now, sub=None)),
            "other sub": sign(claims(now, sub="neighbour")),
            "sub is a list": sign(claims(now, sub=["signer"])),
            "no jti": sign(claims(now, jti=None)),
            "empty jti": sign(claims(now, jti="")),
            "jti is a number": sign(claims(now, jti=7)),
            "endless jti": sign(claims(now, jti="j" * 1_025)),
            "an access token": sign(claims(now), typ="at+jwt"),
            "a proof": sign(claims(now), typ="dpop+jwt"),
            "a request object": sign(claims(now), typ="oauth-authz-req+jwt"),
            "another's key": sign(claims(now), OTHER),
            "unknown kid": sign(claims(now), JWK.generate("ES256", kid="k2")),
            "none": forged({"alg": "none"}, claims(now)),
            "None": forged({"alg": "None", "kid": "k1"}, claims(now)),
            "the public key as a secret": forged({"alg": "HS256", "kid": "k1"}, claims(now), public),
            "a key of its own": forged(
                {"alg": "ES256", "jwk": KEY.public().to_dict()}, claims(now), b"not a signature at all"
            ),
            "cut": sign(claims(now))[:-4],
            "no token": "signer",
            "three dots": "...",
        }
        for what, assertion in wrong.items():
            response = await asked(browser, assertion)
            assert outcome(response) == REFUSED, what
            assert response.json()["error_description"] == "Client authentication failed.", what
            assert response.headers["www-authenticate"].startswith("Basic "), what
        for what, said in {
            "an hour": "oauth.assertion_ttl",
            "other iss": "iss is missing or another",
            "no jti": "a required claim is missing (jti)",
            "unknown kid": "no key of that kid and alg",
            "for the endpoint": "token_endpoint_audience",
        }.items():
            assertion = wrong.get(what) or sign(claims(now, aud=f"{ISSUER}/token"))
            refused = await asked(browser, assertion)
            await issuer.ring.write()
            (kept,) = await issuer.ring.find(refused.headers["admit-error-id"])
            assert (kept.kind, kept.client_id) == ("InvalidClientError", "signer")
            assert said in kept.detail, what
            mended = {
                "an hour": ("oauth.assertion_ttl",),
                "for the endpoint": ("client.token_endpoint_audience",),
            }
            assert settings_of(kept.kind, kept.detail) == mended.get(what, ()), what
        foreign_id = await asked(browser, sign(claims(now)), client_id="neighbour")
        assert outcome(foreign_id) == REFUSED
        assert await rows(issuer, "spent_assertion") == []
        assert outcome(await asked(browser, sign(claims(now)))) == (200, None)


@pytest.mark.rfc("7523", "3")
@pytest.mark.threat(
    "9700-audinject",
    off=[
        "admit.issuer.oauth.client_auth.private_key_jwt:check_single_audience",
        "admit.issuer.oauth.client_auth.private_key_jwt:audiences",
    ],
)
async def test_the_audience_is_one_string_that_is_the_issuer(issuer: LiveIssuer, browser: Browser) -> None:
    now = int(issuer.clock.now)
    for aud in (
        f"{ISSUER}/token",
        f"{ISSUER}/revoke",
        f"{ISSUER}/",
        [ISSUER],
        [ISSUER, "https://other.example"],
        "https://other.example",
        None,
    ):
        assert outcome(await asked(browser, sign(claims(now, aud=aud)))) == REFUSED, aud
    loose = claims(now, iss="loose", sub="loose")
    for aud in ([ISSUER, f"{ISSUER}/token"], f"{ISSUER}/revoke"):
        assert outcome(await asked(browser, sign({**loose, "aud": aud}))) == REFUSED, aud
    for aud in (f"{ISSUER}/token", ISSUER):
        members = {**loose, "aud": aud, "jti": secrets.token_urlsafe(8)}
        assert outcome(await asked(browser, sign(members))) == (200, None), aud


@pytest.mark.rfc("7523", "3")
@pytest.mark.threat("EXT-assert", off="admit.issuer.oauth.client_auth.private_key_jwt:spend")
async def test_an_assertion_is_good_for_one_use_also_after_a_restart(
    issuer: LiveIssuer, browser: Browser
) -> None:
    now = int(issuer.clock.now)
    assertion = sign(claims(now, jti="once"))
    assert outcome(await asked(browser, assertion)) == (200, None)
    assert outcome(await asked(browser, assertion)) == REFUSED
    assert outcome(await asked(browser, sign(claims(now, jti="once", exp=now + 61)))) == REFUSED
    neighbour = sign(claims(now, iss="neighbour", sub="neighbour", jti="once"), OTHER)
    assert outcome(await asked(browser, neighbour)) == (200, None)
    async with running(again(issuer)) as restarted:
        assert outcome(await asked(restarted.browser(), assertion)) == REFUSED
    assert all(b"once" not in row["hash"] for row in await rows(issuer, "spent_assertion"))


async def test_spent_assertions_are_forgotten_when_they_are_refused_for_their_age(
    issuer: LiveIssuer, browser: Browser
) -> None:
    now = int(issuer.clock.now)
    await asked(browser, sign(claims(now)))
    await store.sweep(issuer.db, now + 149)
    assert len(await rows(issuer, "spent_assertion")) == 1
    await store.sweep(issuer.db, now + 151)
    assert await rows(issuer, "spent_assertion") == []


@pytest.mark.rfc("6749", "2.3")
@pytest.mark.threat("6819-4.3.3", off="admit.issuer.oauth.client_auth:used_in")
async def test_two_ways_in_one_request_are_refused(issuer: LiveIssuer, browser: Browser) -> None:
    now = int(issuer.clock.now)
    basic = {"authorization": "Basic " + base64.b64encode(f"web:{WEB_SECRET}".encode()).decode()}
    malformed = (400, "invalid_request")
    both = await browser.post("/revoke", data=form(sign(claims(now))), headers=basic)
    assert outcome(both) == malformed
    secret = form(sign(claims(now)), client_id="signer", client_secret="a secret")
    assert outcome(await browser.post("/revoke", data=secret)) == malformed
    for part in ("client_assertion", "client_assertion_type"):
        half = form(sign(claims(now)), client_id="signer")
        del half[part]
        assert outcome(await browser.post("/revoke", data=half)) == malformed
    for kind in ("urn:ietf:params:oauth:client-assertion-type:saml2-bearer", ASSERTION_TYPE.upper()):
        assert outcome(await asked(browser, sign(claims(now)), client_assertion_type=kind)) == REFUSED
    in_address = await browser.post(f"/token?client_assertion={sign(claims(now))}", data={"token": "t"})
    assert outcome(in_address) == malformed
    assert await rows(issuer, "spent_assertion") == []


@pytest.mark.rfc("7591", "2")
@pytest.mark.threat("6819-4.3.3", off="admit.issuer.clients.authentication:may_use")
async def test_a_client_has_one_method_and_no_other(issuer: LiveIssuer, browser: Browser) -> None:
    now = int(issuer.clock.now)
    named = await browser.post("/revoke", data={"client_id": "signer", "token": "t"})
    assert outcome(named) == REFUSED
    for secret in ("", "a secret"):
        sent = {"client_id": "signer", "client_secret": secret, "token": "t"}
        assert outcome(await browser.post("/revoke", data=sent)) == REFUSED
        assert outcome(await browser.post("/revoke", data={"token": "t"}, auth=("signer", secret))) == REFUSED
    for other in ("web", "spa", "nobody"):
        assertion = sign(claims(now, iss=other, sub=other))
        assert outcome(await asked(browser, assertion)) == REFUSED, other
    web = {"client_id": "web", "token": "t"}
    assert outcome(await browser.post("/revoke", data=web)) == REFUSED
    assert outcome(await browser.post("/revoke", data={**web, "client_secret": WEB_SECRET})) == (200, None)
    assert outcome(await browser.post("/revoke", data=web, auth=("web", WEB_SECRET))) == (200, None)


@pytest.mark.threat("6819-4.3.5", off="admit.issuer.oauth.refusals:count_wrong_secret")
async def test_wrong_assertions_are_told_and_throttled_and_right_ones_are_not(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    few = settings(furnished_sqlite, oauth=OAuthConfig(wrong_codes_per_minute=3))
    async with running(make_issuer(few, keyring)) as issuer:
        browser, now = issuer.browser(), int(issuer.clock.now)
        for _ in range(3):
            assert outcome(await asked(browser, sign(claims(now), OTHER))) == REFUSED
        throttled = await asked(browser, sign(claims(now), OTHER))
        assert throttled.status_code == 429
        assert int(throttled.headers["retry-after"]) >= 1
        assert outcome(await asked(browser, sign(claims(now)))) == (200, None)
        told = [one for one in await events(issuer) if one["client_id"] == "signer"]
        names = [one["event"] for one in told if one["event"] != "client.added"]
        assert names == ["client.refused"] * 3 + ["throttled"]
        issuer.clock.advance(timedelta(minutes=2).total_seconds())
        assert outcome(await asked(browser, sign(claims(now), OTHER))) == REFUSED


async def test_what_the_metadata_says_of_client_authentication_is_so(browser: Browser) -> None:
    told = (await browser.get("/.well-known/oauth-authorization-server")).json()
    methods = ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"]
    for endpoint in ("token", "revocation"):
        assert told[f"{endpoint}_endpoint_auth_methods_supported"] == methods
        algs = told[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert {"ES256", "PS256", "RS256", "EdDSA"} <= set(algs)
        assert not {"none", "HS256", "HS384", "HS512"} & set(algs)
