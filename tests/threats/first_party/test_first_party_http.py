"""Sign-in by JSON over HTTP: the client sees the password, and gets nothing for it that a page would not have given.

6819-4.4.3.1, 9700-codeinject, MFA-3, WEB-params, O-1.
"""

from typing import Any

import pytest

from admit.cli.explain import clause_of
from admit.issuer.app.api import login_steps
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.sweep import sweep
from admit.issuer.storage import Keyring
from tests.fixtures.first_party import WITH_APP, Caller
from tests.fixtures.issuer import (
    ADA,
    BO,
    CLIENTS,
    ISSUER,
    SPA,
    WEB_SECRET,
    LiveIssuer,
    add_people,
    make_issuer,
    settings_for,
)
from tests.fixtures.second_factor import with_app
from tests.threats.first_party.client import OTHER, Counted, claims_of, open_for, said
from tests.threats.whole import events, everything, rows

pytestmark = pytest.mark.anyio
ADVANCE = "admit.issuer.grants.flows:advance"


# The whole way


@pytest.mark.rfc("7636", "4.6")
async def test_a_program_signs_somebody_in_and_gets_tokens_at_the_token_endpoint_alone(
    issuer: LiveIssuer, app: Caller
) -> None:
    begun, verifier = await app.begin(scope="openid offline_access orders:own orders:read", max_age=0)
    assert begun.json().keys() == {"flow", "next", "expires_in"}
    assert (begun.json()["next"], begun.json()["expires_in"]) == (["password"], 600)
    done = await app.password(begun.json()["flow"])
    assert done.json().keys() == {"authorization_code", "iss", "expires_in", "device"}
    assert (done.json()["iss"], done.json()["expires_in"]) == (ISSUER, 60)
    for answer in (begun, done):
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert "set-cookie" not in answer.headers
    tokens = (await app.redeem(done.json()["authorization_code"], verifier)).json()
    told = claims_of(tokens["id_token"])
    assert (told["aud"], told["nonce"], told["acr"], told["amr"]) == (
        "app", "a-nonce", "urn:admit:acr:1fa", ["pwd"],
    )  # fmt: skip
    assert told["auth_time"] == int(issuer.clock())
    refreshed = await app.http.refresh(tokens["refresh_token"], "app")
    assert refreshed.status_code == 200
    (succeeded,) = [one for one in await events(issuer) if one["event"] == "login.succeeded"]
    assert (succeeded["client_id"], succeeded["user_id"]) == ("app", told["sub"])
    assert succeeded["session_id"] == told["sid"]
    assert "code.issued" in {one["event"] for one in await events(issuer)}


async def test_its_session_is_listed_and_what_hangs_from_it_ends_with_it(
    issuer: LiveIssuer, app: Caller
) -> None:
    tokens = await app.tokens()
    sid = claims_of(tokens["id_token"])["sid"]
    browser = issuer.browser()
    await browser.sign_in()
    listed = {one["id"] for one in (await browser.get("/api/sessions")).json()["sessions"]}
    assert sid in listed
    csrf = (await browser.get("/api/session")).json()["csrf_token"]
    headers = {"origin": ISSUER, "x-csrf-token": csrf}
    assert (await browser.delete(f"/api/sessions/{sid}", headers=headers)).status_code == 204
    said(await app.http.refresh(tokens["refresh_token"], "app"), "invalid_grant")


async def test_a_code_is_for_its_verifier_and_its_client_and_has_no_redirect_uri(app: Caller) -> None:
    for wrong in ({"code_verifier": "x" * 43}, {"redirect_uri": f"{SPA}/app"}, {"client_id": "spa"}):
        code, verifier = await app.sign_in()
        said(await app.redeem(code, verifier, **wrong), "invalid_grant")
        said(await app.redeem(code, verifier), "invalid_grant")  # burnt


@pytest.mark.threat("9700-codeinject", off="admit.issuer.oauth.authorize.direct:has_challenge")
async def test_no_code_without_a_challenge(
    issuer: LiveIssuer, app: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Were a client here that needs none: the endpoint asks for one all the same.
    monkeypatch.setattr("admit.issuer.oauth.authorize.steps.needs_pkce", lambda client: False)
    said((await app.begin(code_challenge="", code_challenge_method=""))[0], "invalid_request")
    assert await rows(issuer, "sign_in_flow") == []


WRONG: tuple[tuple[dict[str, str], str], ...] = (
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": ""}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"scope": "openid admin"}, "invalid_scope"),
    ({"resource": "https://other.example"}, "invalid_target"),
    ({"nonce": "n" * 513}, "invalid_request"),
)


async def test_what_is_asked_is_held_to_the_client(issuer: LiveIssuer, app: Caller) -> None:
    for asked, error in WRONG:
        said((await app.begin(**asked))[0], error)
    assert await rows(issuer, "sign_in_flow") == []


async def test_a_challenge_that_is_used_again_is_refused_where_settings_say_so(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    settings = settings_for(
        furnished_sqlite, client=WITH_APP, grants=GrantsConfig(refuse_reused_challenges=True)
    )
    made = make_issuer(settings, keyring)
    async with made.lifespan():
        app = Caller(made)
        assert (await app.after_password(code_challenge="c" * 43))[0].status_code == 200
        before = await open_for(made)
        again = (await app.after_password(code_challenge="c" * 43))[0]
        said(again, "invalid_request")
        assert (await open_for(made), await rows(made, "sign_in_flow")) == (before, [])
        told = [one["client_id"] for one in await events(made) if one["event"] == "pkce_reused"]
        assert told == ["app"]
        await app.http.aclose()


# Which clients


@pytest.mark.threat("6819-4.4.3.1", off="admit.issuer.app.routes.api_login:may_take_passwords")
async def test_no_client_is_given_a_password_that_settings_do_not_trust_with_it(
    issuer: LiveIssuer, hashed: Counted
) -> None:
    for id in ("spa", "native"):
        app = Caller(issuer, client_id=id)
        said((await app.begin())[0], "unauthorized_client")
        theirs = (await Caller(issuer).begin())[0].json()["flow"]
        said(await app.password(theirs), "unauthorized_client")
    refused = [one for one in await events(issuer) if one["event"] == "client.refused"]
    assert {(one["client_id"], one["detail"]["reason"]) for one in refused} == {
        ("spa", "api_login"), ("native", "api_login"),
    }  # fmt: skip
    said((await Caller(issuer, client_id="nobody").begin())[0], "invalid_client", 401)
    said((await Caller(issuer, client_id="").begin())[0], "invalid_client", 401)
    assert hashed.tried == []


async def test_a_client_with_a_secret_proves_itself_at_each_step(issuer: LiveIssuer) -> None:
    backend = Caller(issuer, client_id="backend")
    said((await backend.begin())[0], "invalid_client", 401)
    secret = {"client_secret": WEB_SECRET}
    begun, verifier = await backend.begin(scope="openid", **secret)
    flow = begun.json()["flow"]
    said(await backend.password(flow), "invalid_client", 401)
    shown = {"flow": flow, "step": "password", "username": ADA[0], "password": ADA[1]}
    done = await backend.post(**shown, **secret)
    redeemed = await backend.redeem(done.json()["authorization_code"], verifier, **secret)
    assert redeemed.status_code == 200, redeemed.text
    basic = await backend.http.post("/api/login", json={"session": True}, auth=("backend", WEB_SECRET))
    said(basic, "csrf_failed", 403)  # known; and no page


async def test_there_is_no_such_endpoint_where_no_client_may_use_it(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    for clients, status in ((CLIENTS, 404), (WITH_APP, 200)):
        made = make_issuer(settings_for(furnished_sqlite, client=clients), keyring)
        async with made.lifespan():
            app = Caller(made)
            assert (await app.begin())[0].status_code == status
            metadata = (await app.http.get("/.well-known/openid-configuration")).json()
            described = (await app.http.get("/api/openapi.json")).json()["paths"]
            await app.http.aclose()
        found = ISSUER + "/api/login" if status == 200 else None
        assert metadata.get("admit_login_endpoint") == found
        assert ("/api/login" in described) is (status == 200)
        assert "password" not in metadata["grant_types_supported"]


# One step a handle


@pytest.mark.threat("O-1", off=ADVANCE)
async def test_a_handle_is_good_for_one_step_of_its_own_client_in_time(
    issuer: LiveIssuer, app: Caller
) -> None:
    before = len(await open_for(issuer))
    flow = (await app.begin())[0].json()["flow"]
    said(await Caller(issuer, client_id=OTHER.id).password(flow), "invalid_session")
    said(await app.code(flow, "123456"), "invalid_session")  # the second step is not the first
    wrong = await app.password(flow, password="a guess")
    said(wrong, "insufficient_authorization", 403)
    said(await app.password(flow), "invalid_session")  # spent
    issuer.clock.advance(601)
    said(await app.password(wrong.json()["flow"]), "invalid_session")
    said(await app.password("x" * 43), "invalid_session")
    assert len(await open_for(issuer)) == before


@pytest.mark.threat("MFA-3", off=ADVANCE)
async def test_who_waits_for_a_code_goes_on_by_a_code_alone(issuer: LiveIssuer, app: Caller) -> None:
    phone = await with_app(issuer)
    waiting = (await app.after_password())[0].json()["flow"]
    said(await app.password(waiting, BO), "invalid_session")
    said(
        await Caller(issuer, client_id=OTHER.id).code(waiting, phone.code(issuer.clock())), "invalid_session"
    )
    done = await app.code(waiting, phone.code(issuer.clock()))
    assert done.status_code == 200, done.text
    said(await app.code(waiting, phone.code(issuer.clock() + 30)), "invalid_session")


async def test_what_is_under_way_is_forgotten_when_it_is_over(issuer: LiveIssuer, app: Caller) -> None:
    await app.sign_in()
    assert await rows(issuer, "sign_in_flow") == []
    begun, _ = await app.begin()
    (row,) = await rows(issuer, "sign_in_flow")
    assert begun.json()["flow"] not in repr(row)
    await sweep(issuer.db, issuer.clock() + 599)
    assert len(await rows(issuer, "sign_in_flow")) == 1
    await sweep(issuer.db, issuer.clock() + 600)
    assert await rows(issuer, "sign_in_flow") == []


# What is sent

GOOD = {"client_id": "app", "flow": "f", "step": "password", "username": "u", "password": "p"}
MALFORMED: dict[str, Any] = {
    "unknown member": {"client_id": "app", "session": True, "x": ""},
    "redirect_uri": {"client_id": "app", "redirect_uri": f"{SPA}/app"},
    "grant_type": {"client_id": "app", "grant_type": "password", "username": "u", "password": "p"},
    "a step without a flow": {name: value for name, value in GOOD.items() if name != "flow"},
    "a flow without a step": {name: value for name, value in GOOD.items() if name != "step"},
    "no password": {name: value for name, value in GOOD.items() if name != "password"},
    "another step": GOOD | {"step": "none"},
    "steps in a list": GOOD | {"step": ["password"]},
    "a step of both kinds": GOOD | {"code": "123456"},
    "a list of passwords": GOOD | {"password": ["p", "q"]},
    "null": GOOD | {"password": None},
    "a number": GOOD | {"password": 1},
    "an object for a name": GOOD | {"username": {"$ne": ""}},
    "NUL in a name": GOOD | {"username": "ada\0@example.com"},
    "a line in a flow": GOOD | {"flow": "f\r\n"},
    "max_age as text": {"client_id": "app", "max_age": "0"},
    "max_age below": {"client_id": "app", "max_age": -1},
    "max_age of a truth": {"client_id": "app", "max_age": True},
    "session as text": {"client_id": "app", "session": "true"},
    "too long": GOOD | {"flow": "f" * 2_049},
}


@pytest.mark.threat("WEB-params")
async def test_what_is_no_step_is_refused_before_anything(
    issuer: LiveIssuer, app: Caller, hashed: Counted
) -> None:
    flow = (await app.begin())[0].json()["flow"]
    before = await everything(issuer)
    for name, members in MALFORMED.items():
        sent = members | ({"flow": flow} if members.get("flow") == "f" else {})
        answer = await app.http.post("/api/login", json=sent)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), name
    raw: list[bytes] = [
        b"", b"[]", b"null", b"{", b'"flow"', b'{"client_id":"app","client_id":"app"}', b'{"client_id":"\xff"}',
        b'{"client_id":"\\ud800"}', b'{"client_id":"app"} {}', b'{"client_id":' + b"[" * 2_000,
    ]  # fmt: skip
    for body in raw:
        answer = await app.http.post("/api/login", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), body
    huge = await app.http.post("/api/login", json=GOOD | {"password": "p" * 5_000})
    said(huge, "invalid_request", 413)
    said(await app.http.post("/api/login?flow=x", json=GOOD), "invalid_request")
    assert (await app.http.get("/api/login")).status_code == 405
    assert await everything(issuer) == before
    assert hashed.tried == []
    assert (await app.password(flow)).status_code == 200, "and it was not spent by any of these"


@pytest.mark.threat("6819-4.4.3.1")
async def test_a_password_is_in_no_row_and_no_value_shows_it(
    issuer: LiveIssuer, app: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "canary-3f1c-of-a-password"
    caplog.set_level("DEBUG")
    flow = (await app.begin())[0].json()["flow"]
    answer = await app.password(flow, password=canary)
    said(answer, "insufficient_authorization", 403)
    said(
        await app.post(flow=canary, step="password", username=canary, password=canary, x=canary),
        "invalid_request",
    )
    await issuer.ring.write()
    found = repr(await everything(issuer)) + repr(await rows(issuer, "refusal")) + caplog.text + answer.text
    assert canary not in found
    step = login_steps.Password(client_id="app", flow="f", username="u", password=canary)
    assert repr(step) == "Password(...)"


@pytest.mark.parametrize(
    "kind",
    [
        "InvalidSessionError",
        "InsufficientAuthorizationError",
        "RedirectToWebError",
        "ApiLoginNotAllowedError",
    ],
)
def test_admit_explain_tells_the_rule(kind: str) -> None:
    assert clause_of(kind)


async def test_the_same_on_postgresql(postgresql_url: str, keyring: Keyring) -> None:
    made = make_issuer(settings_for(postgresql_url, client=WITH_APP), keyring)
    async with made.lifespan():
        await add_people(made)
        phone, app = await with_app(made), Caller(made)
        wrong = await app.password((await app.begin())[0].json()["flow"], password="a guess")
        waiting = (await app.password(wrong.json()["flow"])).json()["flow"]
        done = await app.code(waiting, phone.code(made.clock()))
        assert done.status_code == 200, done.text
        said(await app.code(waiting, phone.code(made.clock())), "invalid_session")
        page = Caller(made, headers={"origin": SPA})
        assert (await page.password(await page.begin_session(), BO)).json().keys() == {"session"}
        assert await rows(made, "sign_in_flow") == []
        for caller in (app, page):
            await caller.http.aclose()
