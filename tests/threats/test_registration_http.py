"""EXT-dcr, 9700-clientid: clients that register themselves, tried over HTTP against a whole issuer.

RFC 7591, RFC 7592, OpenID Connect Dynamic Client Registration.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from admit.errors import RevokedError
from admit.fetch import Fetcher
from admit.issuer import Client, Resource
from admit.issuer.clients.config import RegistrationConfig
from admit.issuer.clients.policy import Policy
from admit.issuer.clients.records import ACR_1FA, ACR_2FA, AuthMethod
from admit.issuer.clients.registration import Registration
from admit.issuer.clients.rules import is_client_id
from admit.issuer.storage import Keyring
from admit.jose import JWK
from tests.fixtures.issuer import ADA, ISSUER, Browser, LiveIssuer, answer_of, make_issuer, pkce, settings_for
from tests.threats.whole import again, database_files, events, rows, user_id_of

pytestmark = pytest.mark.anyio

CALLBACK = "https://app.example/callback"
GOOD: dict[str, Any] = {"redirect_uris": [CALLBACK], "client_name": "An application"}
KEY = JWK.generate("ES256", kid="k1")
KEYS = {"keys": [KEY.public().to_dict()]}
OPEN = RegistrationConfig(enabled=True, open=True, per_network=1_000)


@asynccontextmanager
async def running(database: str, keyring: Keyring, config: RegistrationConfig) -> AsyncIterator[LiveIssuer]:
    made = make_issuer(settings_for(database, registration=config), keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """One that takes whoever comes."""
    async with running(furnished_sqlite, keyring, OPEN) as made:
        yield made


async def post(browser: Browser, metadata: Any, token: str | None = None, **headers: str) -> httpx2.Response:
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return await browser.post("/clients", json=metadata, headers=headers)


async def registered(browser: Browser, token: str | None = None, **changes: Any) -> dict[str, Any]:
    response = await post(browser, {**GOOD, **changes}, token)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


def refused(response: httpx2.Response, code: str, status: int = 400) -> None:
    assert (response.status_code, response.json()["error"]) == (status, code), response.text


async def invited(issuer: LiveIssuer, *, uses: int = 1, **policy: Any) -> str:
    """An initial access token."""
    registration = Registration(issuer.db, issuer.registry, issuer.settings.registration)
    values: dict[str, Any] = {
        "scopes": frozenset({"openid"}), "grant_types": frozenset({"authorization_code"}), **policy,
    }  # fmt: skip
    token, _ = await registration.invite(
        uses=uses, lifetime=timedelta(hours=1), policy=Policy(**values), now=issuer.clock()
    )
    return token


@pytest.mark.rfc("7591", "3.2.1")
@pytest.mark.rfc("7592", "2")
async def test_what_registers_is_told_what_it_has_signs_people_in_and_looks_after_itself(
    issuer: LiveIssuer,
) -> None:
    browser = issuer.browser()
    document = (await browser.get("/.well-known/oauth-authorization-server")).json()
    assert document["registration_endpoint"] == f"{ISSUER}/clients"
    made = await registered(
        browser, grant_types=["authorization_code", "refresh_token"], response_types=["code"],
        token_endpoint_auth_method="client_secret_post", contacts=["ada@app.example"], scope="openid profile",
        logo_uri="https://app.example/logo", policy_uri="https://app.example/policy", jwks=KEYS,
        subject_type="public", post_logout_redirect_uris=["https://app.example/bye"], software_id="app",
        backchannel_logout_uri="https://app.example/logout", backchannel_logout_session_required=True,
        id_token_signed_response_alg="ES256", request_uris=["https://app.example/request"],
    )  # fmt: skip
    assert made["client_secret_expires_at"] == 0
    assert made["registration_client_uri"] == f"{ISSUER}/clients/{made['client_id']}"
    assert made["redirect_uris"] == [CALLBACK]
    assert (made["scope"], made["token_endpoint_auth_method"]) == ("openid profile", "client_secret_post")
    assert made["jwks"] == KEYS
    assert (made["backchannel_logout_uri"], made["backchannel_logout_session_required"]) == (
        "https://app.example/logout", True,
    )  # fmt: skip
    assert "request_uris" not in made, "what is not understood is not registered"
    # The client that is found is the one that was told.
    verifier, challenge = pkce()
    await browser.sign_in(ADA)
    page = await browser.get(
        "/authorize",
        params={
            "response_type": "code", "client_id": made["client_id"], "redirect_uri": CALLBACK, "scope": "openid",
            "state": "s", "code_challenge": challenge, "code_challenge_method": "S256",
        },
    )  # fmt: skip
    page = await browser.get(page.headers["location"])
    assert "An application" in page.text
    code = answer_of(await browser.submit("/consent", page.text, decision="allow"))["code"]
    tokens = await browser.post(
        "/token",
        data={
            "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier,
            "client_id": made["client_id"], "client_secret": made["client_secret"],
        },
    )  # fmt: skip
    assert tokens.status_code == 200, tokens.text
    # RFC 7592: read, update, remove.
    own, token = f"/clients/{made['client_id']}", made["registration_access_token"]
    read = await browser.get(own, headers={"authorization": f"Bearer {token}"})
    assert read.json() == {name: value for name, value in made.items() if name != "client_secret"}
    update = {
        **GOOD,
        "client_id": made["client_id"],
        "client_secret": made["client_secret"],
        "client_name": "Renamed",
    }
    changed = await browser.put(own, json=update, headers={"authorization": f"Bearer {token}"})
    assert changed.json()["client_name"] == "Renamed"
    assert "client_secret" not in changed.json(), "it keeps the one that it has"
    assert "contacts" not in changed.json(), "what an update leaves out is gone"
    new = changed.json()["registration_access_token"]
    gone = await browser.delete(own, headers={"authorization": f"Bearer {new}"})
    assert gone.status_code == 204
    refused(await browser.get(own, headers={"authorization": f"Bearer {new}"}), "invalid_token", 401)
    late = await browser.post(
        "/token",
        data={
            "grant_type": "refresh_token", "refresh_token": tokens.json().get("refresh_token", "x"),
            "client_id": made["client_id"], "client_secret": made["client_secret"],
        },
    )  # fmt: skip
    refused(late, "invalid_client", 401)
    await issuer.settle()
    with pytest.raises(RevokedError):
        await issuer.verifier.verify(tokens.json()["access_token"])


@pytest.mark.threat("EXT-dcr", off="admit.issuer.clients.registration:is_token_of")
async def test_nobody_reads_or_changes_a_registration_without_its_newest_token(issuer: LiveIssuer) -> None:
    browser = issuer.browser()
    one, other = await registered(browser), await registered(browser)
    own = f"/clients/{one['client_id']}"
    update = {**GOOD, "client_id": one["client_id"]}
    changed = await browser.put(
        own, json=update, headers={"authorization": f"Bearer {one['registration_access_token']}"}
    )
    assert changed.status_code == 200
    wrong = [
        "x",
        other["registration_access_token"],
        one["registration_access_token"],
        one["client_secret"],
        "r_" + "A" * 43,
    ]
    for token in (None, *wrong, "x" * 5_000):
        headers = {"authorization": f"Bearer {token}"} if token is not None else {}
        for response in (
            await browser.get(own, headers=headers),
            await browser.put(own, json=update, headers=headers),
            await browser.delete(own, headers=headers),
            await browser.get("/clients/c_nobody", headers=headers),
        ):
            refused(response, "invalid_token", 401)
            assert response.headers["www-authenticate"].startswith("Bearer")
    assert (await browser.get("/clients/spa", headers={"authorization": "Bearer x"})).status_code == 401
    stored = repr([tuple(row) for row in await rows(issuer, "client")])
    assert one["registration_access_token"] not in stored
    assert one["client_secret"] not in stored


async def test_a_removal_that_an_update_was_faster_than_is_refused(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = issuer.browser()
    made = await registered(browser)
    own = f"/clients/{made['client_id']}"
    headers = {"authorization": f"Bearer {made['registration_access_token']}"}
    proved, newer = Registration.presented, []

    async def overtaken(self: Registration, client_id: str, token: str | None) -> bytes:
        found = await proved(self, client_id, token)
        changed = await browser.put(own, json={**GOOD, "client_id": client_id}, headers=headers)
        newer.append(changed.json()["registration_access_token"])
        return found

    monkeypatch.setattr(Registration, "presented", overtaken)
    refused(await browser.delete(own, headers=headers), "invalid_token", 401)
    monkeypatch.undo()
    headers = {"authorization": f"Bearer {newer[0]}"}
    assert (await browser.get(own, headers=headers)).status_code == 200
    assert (await browser.delete(own, headers=headers)).status_code == 204


@pytest.mark.threat("EXT-dcr", off="admit.issuer.clients.policy:allowed_scopes")
async def test_no_client_chooses_scopes_roles_trust_or_consent(issuer: LiveIssuer) -> None:
    browser = issuer.browser()
    made = await registered(
        browser, scope="openid admin admit:sessions admit:keys orders:read", trusted=True, first_party=True,
        roles=["admin"], require_pkce=False, acr=None, userinfo_audience=True, api_login=True,
    )  # fmt: skip
    assert made["scope"] == "openid"
    client = await issuer.services.clients.find(made["client_id"])
    assert client is not None
    assert (client.trusted, client.first_party, client.require_pkce) == (False, False, True)
    assert (client.resources, client.userinfo_audience) == (frozenset(), False)
    refused(await post(browser, {**GOOD, "scope": "admin"}), "invalid_client_metadata")
    refused(await post(browser, {**GOOD, "grant_types": ["client_credentials"]}), "invalid_client_metadata")


@pytest.mark.threat("9700-clientid", off="admit.issuer.clients.registration:new_id")
async def test_a_chosen_client_id_is_ignored_and_none_is_a_users(issuer: LiveIssuer) -> None:
    browser = issuer.browser()
    ada = await user_id_of(issuer, ADA[0])
    for chosen in (ada, "spa", "admit", "u_x"):
        made = await registered(browser, client_id=chosen, client_secret="chosen")  # to be ignored
        assert made["client_id"] not in (ada, "spa", "admit")
        assert is_client_id(made["client_id"])
        assert made["client_secret"] != "chosen"
    assert not is_client_id(ada)


BAD_URIS = [
    "http://app.example/callback", "javascript:alert(1)", "data:text/html,x", "https://app.example/cb#x",
    "https://user@app.example/cb", "https://app.example/a/../cb", "file:///etc/passwd", "https:///cb", "//app.example",
    "https://app.example/\u202ecb", "http://localhost.app.example:80/cb", "custom:/cb", "",
]  # fmt: skip


@pytest.mark.threat("EXT-dcr", off="admit.issuer.clients.metadata:check_redirect_uris")
@pytest.mark.rfc("7591", "3.2.2")
async def test_redirect_uris_are_the_ones_that_settings_could_have(issuer: LiveIssuer) -> None:
    browser = issuer.browser()
    for uri in BAD_URIS:
        refused(await post(browser, {**GOOD, "redirect_uris": [CALLBACK, uri]}), "invalid_redirect_uri")
        refused(await post(browser, {**GOOD, "post_logout_redirect_uris": [uri]}), "invalid_redirect_uri")
    refused(await post(browser, {"client_name": "None"}), "invalid_redirect_uri")
    native = await registered(
        browser,
        redirect_uris=["http://127.0.0.1/cb", "com.example.app:/cb"],
        token_endpoint_auth_method="none",
    )
    assert native["application_type"] == "native"
    assert "client_secret" not in native
    assert "client_secret_expires_at" not in native


BAD_METADATA: dict[str, dict[str, Any]] = {
    "implicit": {"response_types": ["token"]},
    "hybrid": {"response_types": ["code id_token"]},
    "code-without-its-grant": {"grant_types": ["refresh_token"], "response_types": ["code"]},
    "password": {"grant_types": ["password"]},
    "no-grant": {"grant_types": []},
    "method": {"token_endpoint_auth_method": "client_secret_jwt"},
    "key-without-keys": {"token_endpoint_auth_method": "private_key_jwt"},
    "keys-twice": {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": KEYS,
        "jwks_uri": "https://app.example/j",
    },
    "private-key": {"jwks": {"keys": [KEY.to_dict(private=True)]}},
    "no-keys": {"jwks": {"keys": []}},
    "keys-in-the-clear": {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "http://app.example/j",
    },
    "alg-none": {"id_token_signed_response_alg": "none"},
    "alg-hmac": {"id_token_signed_response_alg": "HS256"},
    "userinfo-alg": {"userinfo_signed_response_alg": "none2"},
    "encrypted": {"id_token_encrypted_response_alg": "RSA-OAEP"},
    "pairwise": {"subject_type": "pairwise"},
    "sector": {"sector_identifier_uri": "https://app.example/sector"},
    "logout-clear": {"backchannel_logout_uri": "http://app.example/logout"},
    "logout-fragment": {"backchannel_logout_uri": "https://app.example/logout#x"},
    "age-below-zero": {"default_max_age": -1},
    "classes-a-text": {"default_acr_values": ACR_2FA},
    "many-classes": {"default_acr_values": ["x"] * 21},
    "age-text": {"default_max_age": "60"},
    "logo-script": {"logo_uri": "javascript:alert(1)"},
    "logo-clear": {"logo_uri": "http://169.254.169.254/latest"},
    "name-too-long": {"client_name": "n" * 201},
    "name-of-lines": {"client_name": "one\ntwo"},
    "name-turned-round": {"client_name": "moc.elpmaxe\u202e"},
    "name-of-nothing": {"client_name": "   "},
    "name-a-list": {"client_name": ["x"]},
    "many-contacts": {"contacts": ["x"] * 21},
    "uris-a-text": {"redirect_uris": CALLBACK},
    "many-uris": {"redirect_uris": [f"{CALLBACK}/{n}" for n in range(21)]},
}


METHODS = {method.value for method in AuthMethod}  # of our own words, whoever says them


@pytest.mark.threat("EXT-dcr", off="admit.issuer.clients.metadata:client_of")
@pytest.mark.rfc("7591", "3.2.2")
async def test_metadata_that_cannot_be_held_is_refused_by_name_and_never_repeated(issuer: LiveIssuer) -> None:
    browser = issuer.browser()
    for name, changes in BAD_METADATA.items():
        response = await post(browser, {**GOOD, **changes})
        assert response.status_code == 400, f"{name}: {response.text}"
        assert response.json()["error"].startswith("invalid_"), name
        assert response.json()["error_description"], name
        for value in changes.values():
            ours = not isinstance(value, str) or len(value) < 8 or value in METHODS
            assert ours or value not in response.text, name
    for member, wrong in (
        ("contacts", [1]), ("id_token_signed_response_alg", "HS256"), ("userinfo_signed_response_alg", "none"),
        ("logo_uri", "javascript:alert(1)"), ("backchannel_logout_uri", "http://app.example/logout"),
        ("token_endpoint_auth_signing_alg", "HS256"), ("jwks_uri", "http://app.example/keys"),
    ):  # fmt: skip
        changes = {"token_endpoint_auth_method": "private_key_jwt"} if "jwks" in member else {}
        named = await post(browser, {**GOOD, **changes, member: wrong})
        description = named.json()["error_description"]
        assert member in description, "whoever wrote it can mend it"
        assert description.isascii(), "RFC 6749 §5.2"
    for body, type_ in (
        (b"[]", "application/json"), (b"{", "application/json"), (b'{"a":1,"a":2}', "application/json"),
        (b"redirect_uris=x", "application/x-www-form-urlencoded"), (b"null", "application/json"),
    ):  # fmt: skip
        refused(
            await browser.post("/clients", content=body, headers={"content-type": type_}),
            "invalid_client_metadata",
        )
    refused(await post(browser, {**GOOD, "client_uri": "x" * 1_000_000}), "invalid_request", 413)
    told = [record for record in await events(issuer) if record["event"] == "registration.refused"]
    assert told, "an operator finds why"
    assert "An application" not in json.dumps([record["detail"] for record in told])


@pytest.mark.threat("EXT-dcr")
async def test_markup_is_text_and_nothing_that_is_named_is_fetched(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits: list[str] = []

    async def recorded(self: Fetcher, url: str, *_: Any, **__: Any) -> Any:
        hits.append(url)
        raise AssertionError

    for method in ("aget", "apost"):
        monkeypatch.setattr(Fetcher, method, recorded)
    browser = issuer.browser()
    made = await registered(
        browser, client_name="<script>alert(1)</script>", logo_uri="https://169.254.169.254/logo",
        client_uri="https://10.0.0.1/", jwks_uri="https://127.0.0.1/jwks",
        token_endpoint_auth_method="private_key_jwt", request_uris=["https://10.0.0.2/"],
    )  # fmt: skip
    await browser.sign_in(ADA)
    page = await browser.get(
        "/authorize",
        params={
            "response_type": "code", "client_id": made["client_id"], "redirect_uri": CALLBACK, "scope": "openid",
            "code_challenge": pkce()[1], "code_challenge_method": "S256",
        },
    )  # fmt: skip
    page = await browser.get(page.headers["location"])
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert" not in page.text
    assert hits == []


@pytest.mark.threat("EXT-dcr", off="admit.issuer.clients.registration:may_come")
@pytest.mark.rfc("7591", "3")
async def test_where_an_initial_access_token_is_needed_it_is_good_for_its_uses_and_its_time(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    closed = RegistrationConfig(enabled=True, per_network=1_000)
    async with running(furnished_sqlite, keyring, closed) as issuer:
        browser = issuer.browser()
        token = await invited(issuer, uses=2, redirect_hosts=frozenset({"*.app.example", "app.example"}))
        for wrong in (None, "x", token + "x", "r_" + "A" * 43):
            refused(await post(browser, GOOD, wrong), "invalid_token", 401)
        refused(await post(browser, {**GOOD, "client_name": 1}, token), "invalid_client_metadata")
        refused(
            await post(browser, {**GOOD, "redirect_uris": ["https://evil.example/"]}, token),
            "invalid_redirect_uri",
        )
        refused(
            await post(browser, {**GOOD, "redirect_uris": ["https://xapp.example/"]}, token),
            "invalid_redirect_uri",
        )
        answers = await asyncio.gather(
            *(post(browser, {**GOOD, "redirect_uris": ["https://a.app.example/cb"]}, token) for _ in range(5))
        )
        assert sorted(answer.status_code for answer in answers) == [201, 201, 401, 401, 401]
        client = await issuer.services.clients.find(
            answers[0].json().get("client_id")
            or next(answer.json()["client_id"] for answer in answers if answer.status_code == 201)
        )
        assert client is not None
        assert client.trusted
        late = await invited(issuer)
        issuer.clock.advance(3_601)
        refused(await post(browser, GOOD, late), "invalid_token", 401)
        refused(
            await browser.post("/clients", json=GOOD, headers={"authorization": "Basic eDp4"}),
            "invalid_request",
        )


@pytest.mark.threat("EXT-dcr", off="admit.issuer.clients.registration:Registration.check_rate")
async def test_one_network_registers_so_many_and_no_more(furnished_sqlite: str, keyring: Keyring) -> None:
    async with running(
        furnished_sqlite, keyring, RegistrationConfig(enabled=True, open=True, per_network=3)
    ) as issuer:
        here, elsewhere = issuer.browser(ip="192.0.2.1"), issuer.browser(ip="198.51.100.1")
        for _ in range(3):
            await registered(here)
        response = await post(here, GOOD)
        refused(response, "slow_down", 429)
        assert int(response.headers["retry-after"]) > 0
        await registered(elsewhere)
        issuer.clock.advance(3_601)
        await registered(here)


@pytest.mark.rfc("7592", "2.2")
@pytest.mark.threat("EXT-dcr", off="admit.issuer.clients.registration:Registration.check_updates")
async def test_a_client_is_changed_so_often_and_no_more(furnished_sqlite: str, keyring: Keyring) -> None:
    config = RegistrationConfig(enabled=True, open=True, per_network=3)
    async with running(furnished_sqlite, keyring, config) as issuer:
        here, elsewhere = issuer.browser(ip="192.0.2.1"), issuer.browser(ip="198.51.100.1")
        one, other = await registered(here), await registered(here)
        token = one["registration_access_token"]

        async def update(browser: Browser, made: dict[str, Any], token: str) -> httpx2.Response:
            members = {**GOOD, "client_id": made["client_id"]}
            path = f"/clients/{made['client_id']}"
            return await browser.put(path, json=members, headers={"authorization": f"Bearer {token}"})

        for _ in range(3):
            token = (await update(here, one, token)).json()["registration_access_token"]
        for browser in (here, elsewhere):
            refused(await update(browser, one, token), "slow_down", 429)
        refused(await update(here, other, other["registration_access_token"]), "slow_down", 429)
        for _ in range(3):
            refused(await update(elsewhere, other, "r_nobodys"), "invalid_token", 401)
        kept = await update(elsewhere, other, other["registration_access_token"])
        assert kept.status_code == 200, "nobody else used it up"
        issuer.clock.advance(3_601)
        assert (await update(here, one, token)).status_code == 200


async def test_where_it_is_off_there_is_nothing(furnished_sqlite: str, keyring: Keyring) -> None:
    async with running(furnished_sqlite, keyring, RegistrationConfig()) as issuer:
        browser = issuer.browser()
        assert (await post(browser, GOOD)).status_code == 404
        assert (await browser.get("/clients/spa")).status_code == 404
        document = (await browser.get("/.well-known/openid-configuration")).json()
        assert "registration_endpoint" not in document


@pytest.mark.rfc("7592", "2.2")
async def test_an_update_names_its_client_and_nothing_that_is_the_servers(issuer: LiveIssuer) -> None:
    browser = issuer.browser()
    made = await registered(browser, token_endpoint_auth_method="none")
    own = f"/clients/{made['client_id']}"
    headers = {"authorization": f"Bearer {made['registration_access_token']}"}
    good = {**GOOD, "client_id": made["client_id"]}
    for changes in (
        {"client_id": "spa"}, {"client_id": None}, {"client_secret": "wrong"}, {"client_secret": 1},
        {"registration_access_token": "x"}, {"client_secret_expires_at": 0}, {"client_id_issued_at": 1},
    ):  # fmt: skip
        refused(await browser.put(own, json={**good, **changes}, headers=headers), "invalid_client_metadata")
    changed = await browser.put(own, json=good, headers=headers)
    assert changed.json()["client_secret"], "a client that comes to have a secret is told it"
    cross = await browser.options(
        "/clients", headers={"origin": "https://app.example", "access-control-request-method": "POST"}
    )
    assert cross.headers["access-control-allow-origin"] == "*"


async def test_a_page_of_a_registered_client_may_read_the_token_endpoint(issuer: LiveIssuer) -> None:
    browser = issuer.browser()

    async def allowed() -> str | None:
        response = await browser.post("/token", data={"x": "y"}, headers={"origin": "https://app.example"})
        found: str | None = response.headers.get("access-control-allow-origin")
        return found

    assert await allowed() is None
    made = await registered(browser)
    assert await allowed() == "https://app.example"
    await issuer.remove_client(made["client_id"])
    assert await allowed() is None


async def test_a_removed_resource_gets_no_more_tokens(issuer: LiveIssuer) -> None:
    browser, clients = issuer.browser(), issuer.services.clients
    api = Resource(id="https://parcels.example", name="Parcels", scopes={"parcels:read": "See your parcels"})
    assert await clients.add_resource(api, now=issuer.clock())
    added = Client(
        id="parcels-app", name="Parcels", redirect_uris=(CALLBACK,), resources=frozenset({api.id}),
        default_resource=api.id, scopes=frozenset({"openid", "parcels:read"}), first_party=True,
    )  # fmt: skip
    assert await clients.add(added, now=issuer.clock())
    await browser.sign_in(ADA)
    verifier, challenge = pkce()
    request = {
        "response_type": "code", "client_id": added.id, "redirect_uri": CALLBACK, "scope": "openid",
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    code = answer_of(await browser.get("/authorize", params=request))["code"]
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": added.id,
        "code_verifier": verifier,
    }  # fmt: skip
    tokens = (await browser.post("/token", data=form)).json()
    again = {"grant_type": "refresh_token", "client_id": added.id, "refresh_token": tokens["refresh_token"]}
    tokens = (await browser.post("/token", data=again)).json()
    assert "access_token" in tokens
    assert await clients.remove_resource(api.id, now=issuer.clock())
    again["refresh_token"] = tokens["refresh_token"]
    refused(await browser.post("/token", data=again), "invalid_grant")
    answer = answer_of(await browser.get("/authorize", params={**request, "resource": api.id}))
    assert answer["error"] == "invalid_target"


def bare_request(client_id: str) -> dict[str, str]:
    """What a client asks that leaves to its registration what it can."""
    return {
        "response_type": "code", "client_id": client_id, "redirect_uri": CALLBACK, "scope": "openid",
        "code_challenge": pkce()[1], "code_challenge_method": "S256",
    }  # fmt: skip


@pytest.mark.rfc("OIDC Registration", "2")
async def test_a_registered_default_max_age_asks_again_where_the_request_says_nothing(
    issuer: LiveIssuer,
) -> None:
    browser = issuer.browser()
    made = await registered(browser, default_max_age=60)
    assert made["default_max_age"] == 60
    request = bare_request(made["client_id"])
    await browser.sign_in(ADA)
    assert "/consent" in (await browser.get("/authorize", params=request)).headers["location"]
    issuer.clock.advance(61)
    assert "/login" in (await browser.get("/authorize", params=request)).headers["location"]
    later = await browser.get("/authorize", params={**request, "max_age": "600"})
    assert "/consent" in later.headers["location"], "the request goes before"


@pytest.mark.rfc("OIDC Registration", "2")
async def test_a_registered_default_max_age_of_nothing_asks_each_time_and_once_for_each(
    issuer: LiveIssuer,
) -> None:
    browser = issuer.browser()
    made = await registered(browser, default_max_age=0)
    assert made["default_max_age"] == 0
    request = bare_request(made["client_id"])
    for _ in range(2):
        assert "/consent" in (await browser.sign_in(ADA, **request)).headers["location"]
    assert "/login" in (await browser.get("/authorize", params=request)).headers["location"]
    later = await browser.get("/authorize", params={**request, "max_age": "600"})
    assert "/consent" in later.headers["location"], "the request goes before"


@pytest.mark.rfc("OIDC Registration", "2")
async def test_registered_classes_of_sign_in_are_asked_where_the_request_names_none(
    issuer: LiveIssuer,
) -> None:
    browser = issuer.browser()
    made = await registered(browser, default_acr_values=["urn:else", ACR_2FA, ACR_2FA])
    assert made["default_acr_values"] == [ACR_2FA], "what is held to, and nothing else"
    plain = await registered(browser, default_acr_values=["urn:else"])
    assert "default_acr_values" not in plain
    request = bare_request(made["client_id"])
    await browser.sign_in(ADA)

    async def next_page(**changes: str) -> str:
        answer = await browser.get("/authorize", params={**request, **changes})
        return answer.headers["location"].partition("?")[0]

    assert await next_page() == "/login"
    assert await next_page(claims='{"userinfo":{"acr":null}}') == "/login", "that is not where acr is told"
    assert await next_page(client_id=plain["client_id"]) == "/consent"
    for own in (
        {"acr_values": ACR_1FA}, {"acr_values": "urn:else"}, {"claims": '{"id_token":{"acr":null}}'},
        {"claims": f'{{"id_token":{{"acr":{{"essential":true,"value":"{ACR_1FA}"}}}}}}'},
    ):  # fmt: skip
        assert await next_page(**own) == "/consent", "the request goes before"


@pytest.mark.threat("6819-4.1.1", off="admit.issuer.clients.rules:good_beside")
async def test_what_runs_on_many_machines_has_no_secret_and_one_that_was_dug_out_is_worth_nothing_everywhere(
    issuer: LiveIssuer,
) -> None:
    browser = issuer.browser()
    native = await registered(browser, application_type="native", redirect_uris=["com.example.app:/cb"])
    assert native["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in native
    made = await registered(browser)
    other = again(issuer)
    async with other.lifespan():
        elsewhere = other.browser()

        async def code_of(secret: str) -> set[str]:
            form = {"grant_type": "authorization_code", "code": "x", "redirect_uri": CALLBACK}
            return {
                (await one.post("/token", data=form, auth=(made["client_id"], secret))).json()["error"]
                for one in (browser, elsewhere)
            }

        old = made["client_secret"]
        assert await code_of(old) == {"invalid_grant"}, "it is who it says; only the code is none"
        second, _ = await issuer.services.clients.new_secret(
            made["client_id"], drop_old=False, now=issuer.clock()
        )
        assert await code_of(old) == await code_of(second) == {"invalid_grant"}
        third, _ = await other.services.clients.new_secret(
            made["client_id"], drop_old=True, now=issuer.clock()
        )
        assert await code_of(third) == {"invalid_grant"}
        assert await code_of(old) == await code_of(second) == {"invalid_client"}
        await elsewhere.aclose()


@pytest.mark.threat("6819-4.3.4", off="admit.issuer.clients.rules:hash_secret")
async def test_nobody_reads_a_secret_or_a_token_of_clients_from_the_database(issuer: LiveIssuer) -> None:
    browser = issuer.browser()
    initial = await invited(issuer, uses=5)
    made = await registered(browser, initial)
    second, _ = await issuer.services.clients.new_secret(
        made["client_id"], drop_old=False, now=issuer.clock()
    )
    shown = [initial, made["client_secret"], made["registration_access_token"], second]
    stored = b"".join(path.read_bytes() for path in database_files(issuer))
    assert made["client_id"].encode() in stored
    for secret in shown:
        assert secret[:24].encode() not in stored
