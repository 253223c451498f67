"""Standard claims from the account to applications: by scope, at `/userinfo`, signed where asked, and in ID tokens."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from admit.errors import TokenError
from admit.issuer.accounts.errors import ClaimValueError, PersonNameError
from admit.issuer.accounts.records import User
from admit.issuer.audit import AuditEvent, RequestInfo
from admit.issuer.storage import Keyring
from admit.jose import json, jws
from admit.tokens import access, identity
from tests.fixtures.issuer import ADA, CLIENTS, ISSUER, Browser, LiveIssuer, running, settings_for
from tests.threats.whole import rows
from tests.unit.issuer.accounts.test_claims import ALL

pytestmark = pytest.mark.anyio
INFO = RequestInfo()
PERSON = "openid profile email address phone"
SIGNING = tuple(
    replace(
        one,
        scopes=one.scopes | frozenset(PERSON.split()),
        userinfo_audience=True,
        userinfo_signed_response_alg={"native": "RS256", "web": "ES256"}.get(one.id),
    )
    for one in CLIENTS
)


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """Two of three clients want signed answers."""
    async with running(settings_for(furnished_sqlite, client=SIGNING), keyring) as made:
        yield made


@pytest.fixture
async def browser(issuer: LiveIssuer) -> Browser:
    return issuer.browser()


async def ada(issuer: LiveIssuer) -> User:
    found = await issuer.services.accounts.find(ADA[0])
    assert found is not None
    return found


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {tokens['access_token']}"}


async def told(browser: Browser, tokens: dict[str, Any]) -> dict[str, Any]:
    answer = await browser.get("/userinfo", headers=bearer(tokens))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.rfc("OIDC Core", "5.4")
async def test_userinfo_and_id_token_tell_what_the_scopes_open_and_nothing_else(
    issuer: LiveIssuer, browser: Browser
) -> None:
    user = await ada(issuer)
    everything = {"name": "Ada", **ALL, "address": {"country": "UK"}}
    await issuer.services.accounts.set_claims(user.id, everything, info=INFO, now=issuer.clock())
    opened: dict[str, Any] = {}
    for scope in ("openid", "openid address", "openid phone", PERSON):
        tokens = await browser.tokens(scope=scope)
        opened[scope] = await told(browser, tokens)
        said = jws.peek_unverified_claims(tokens["id_token"])
        assert opened[scope].items() <= said.items()
    assert opened["openid"] == {"sub": user.id}
    assert opened["openid address"] == {"sub": user.id, "address": {"country": "UK"}}
    assert opened["openid phone"].keys() == {"sub", "phone_number", "phone_number_verified"}
    assert opened[PERSON].items() >= everything.items()
    metadata = (await browser.get("/.well-known/openid-configuration")).json()
    assert opened[PERSON].keys() <= set(metadata["claims_supported"])
    assert set(PERSON.split()) <= set(metadata["scopes_supported"])


@pytest.mark.rfc("OIDC Core", "3.3.2.11")
@pytest.mark.rfc("OIDC Core", "3.1.3.6")
async def test_an_id_token_names_the_code_and_the_access_token_that_it_came_with(browser: Browser) -> None:
    for client in ("spa", "web"):
        code, verifier = await browser.code(client=client)
        first = (await browser.redeem(code, verifier, client)).json()
        said = jws.peek_unverified_claims(first["id_token"])
        assert said["c_hash"] == identity.c_hash(code, "RS256") != identity.c_hash(code[::-1], "RS256")
        assert said["at_hash"] == identity.at_hash(first["access_token"], "RS256")
        later = (await browser.refresh(first["refresh_token"], client)).json()
        again = jws.peek_unverified_claims(later["id_token"])
        assert "c_hash" not in again, "no code was given for it"
        assert again["at_hash"] == identity.at_hash(later["access_token"], "RS256") != said["at_hash"]


@pytest.mark.rfc("OIDC Core", "5.3.2")
async def test_userinfo_is_signed_for_the_client_that_registered_an_algorithm(
    issuer: LiveIssuer, browser: Browser
) -> None:
    keys = issuer.keys.snapshot.token_keys
    plain = await told(browser, await browser.tokens(client="spa", scope="openid profile"))
    for client, alg in (("native", "RS256"), ("web", "ES256")):
        tokens = await browser.tokens(client=client, scope="openid profile")
        answer = await browser.get("/userinfo", headers=bearer(tokens))
        assert answer.headers["content-type"] == "application/jwt"
        assert answer.headers["cache-control"] == "no-store"
        assert jws.peek_unverified_header(answer.text)["alg"] == alg
        said = json.loads_object(jws.verify(answer.text, keys).payload)
        assert said == {"iss": ISSUER, "aud": client, **plain}
        # An answer about a person lets nobody in, as whichever token it is shown.
        again = await browser.get("/userinfo", headers={"authorization": f"Bearer {answer.text}"})
        assert again.status_code == 401
        with pytest.raises(TokenError):
            identity.verify(answer.text, keys, issuer=ISSUER, audience=client, nonce=None, now=issuer.clock())
        with pytest.raises(TokenError):
            access.verify(answer.text, keys, issuer=ISSUER, audience=client, now=issuer.clock())
    metadata = (await browser.get("/.well-known/openid-configuration")).json()
    assert metadata["userinfo_signing_alg_values_supported"] == ["ES256", "RS256"]


@pytest.mark.rfc("OIDC Core", "5.3.1")
@pytest.mark.rfc("6750", "2.2")
async def test_userinfo_takes_the_token_in_one_place_by_get_or_post(browser: Browser) -> None:
    tokens = await browser.tokens(scope="openid")
    token = tokens["access_token"]
    form = {"access_token": token}
    for good in (
        await browser.get("/userinfo", headers=bearer(tokens)),
        await browser.post("/userinfo", headers=bearer(tokens)),
        await browser.post("/userinfo", data=form),
    ):
        assert (good.status_code, good.json().keys()) == (200, {"sub"})
    for status, refused in (
        (400, await browser.post("/userinfo", data=form, headers=bearer(tokens))),
        (400, await browser.get("/userinfo", params=form)),
        (400, await browser.post("/userinfo", params=form)),
        (400, await browser.get("/userinfo", params=form, headers=bearer(tokens))),
        (401, await browser.post("/userinfo", json=form)),
        (401, await browser.get("/userinfo", headers={"authorization": f"Basic {token}"})),
    ):
        assert refused.status_code == status
        assert refused.headers["www-authenticate"].startswith('Bearer realm="admit"')
        assert ('error="invalid_request"' in refused.headers["www-authenticate"]) is (status == 400)


@pytest.mark.rfc("OIDC Core", "5.4")
async def test_claims_that_no_id_token_holds_are_told_at_userinfo(
    issuer: LiveIssuer, browser: Browser
) -> None:
    user = await ada(issuer)
    large = dict.fromkeys(("profile", "picture", "website"), "https://a.example/" + "a" * 1500)
    await issuer.services.accounts.set_claims(user.id, large, info=INFO, now=issuer.clock())
    tokens = await browser.tokens(scope=PERSON)
    said = jws.peek_unverified_claims(tokens["id_token"])
    assert said.keys().isdisjoint({"picture", "name", "email"}), "all of them or none"
    assert said["sub"] == user.id
    assert (await told(browser, tokens)).items() >= large.items()


async def test_claims_are_set_with_a_record_that_tells_no_value(issuer: LiveIssuer, browser: Browser) -> None:
    accounts, user = issuer.services.accounts, await ada(issuer)
    token = await browser.tokens(scope="openid")
    changes = {"given_name": "Augusta", "address.country": "UK", "locale": "en-GB", "name": "Ada L."}
    changed = await accounts.set_claims(user.id, changes, info=INFO, now=issuer.clock())
    assert await accounts.get(user.id) == changed
    assert (changed.name, changed.locale) == ("Ada L.", "en-GB")
    assert changed.claims == {"given_name": "Augusta", "address": {"country": "UK"}}
    told_of = [row for row in await rows(issuer, "audit") if row["event"] == AuditEvent.USER_CHANGED.value]
    assert "Augusta" not in str(told_of)
    assert "address.country given_name locale name" in str(told_of[-1])
    assert (await told(browser, token)) == {"sub": user.id}, "nobody is signed out by it"
    assert await accounts.set_claims(user.id, changes, info=INFO, now=issuer.clock() + 9) == changed
    gone = await accounts.set_claims(
        user.id, {"given_name": None, "address": None, "locale": None}, info=INFO, now=issuer.clock()
    )
    assert (gone.claims, gone.locale) == ({}, None)


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": None}, {"locale": "no tag"}, {"locale": 1}, {"email": "x@example.com"}, {"sub": "x"},
     {"birthdate": "1990-02-30", "given_name": "X"}],
)  # fmt: skip
async def test_a_wrong_value_changes_nothing(issuer: LiveIssuer, wrong: dict[str, object]) -> None:
    accounts, before = issuer.services.accounts, await ada(issuer)
    with pytest.raises((ClaimValueError, PersonNameError)):
        await accounts.set_claims(before.id, wrong, info=INFO, now=issuer.clock())
    assert await accounts.get(before.id) == before
