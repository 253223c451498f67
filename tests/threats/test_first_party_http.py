"""Sign-in by JSON over HTTP: the client sees the password, and gets nothing for it that a page would not have given.

6819-4.4.3.1, 6819-4.4.3.6, PWD-1, PWD-2, PWD-4, MFA-1, MFA-2, MFA-3, SES-1, SES-8, WEB-csrf, O-1.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from admit.cli.explain import clause_of
from admit.issuer.accounts import passwords
from admit.issuer.accounts.passwords import Match
from admit.issuer.app.api import login_steps
from admit.issuer.app.devices import cookie_name
from admit.issuer.audit import RequestInfo
from admit.issuer.clients.records import ACR_2FA
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.sweep import sweep
from admit.issuer.storage import Keyring
from admit.jose import base64url, json
from tests.fixtures.first_party import APP, WITH_APP, Caller
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
from tests.threats.whole import SESSION_COOKIE, again, events, everything, rows, user_id_of

pytestmark = pytest.mark.anyio
RIGHT = {who[1].encode() for who in (ADA, BO)}
OTHER = replace(APP, id="other-app", redirect_uris=("http://127.0.0.1/other",))
MACHINE = replace(
    APP, id="backend", public=False, secret_hashes=CLIENTS[2].secret_hashes,
    application_type=CLIENTS[2].application_type, redirect_uris=("https://shop.example/cb",),
)  # fmt: skip
GATE = "admit.issuer.factors.assurance:next_step"
ADVANCE = "admit.issuer.grants.flows:advance"


class Counted:
    """Stands for the hash: counts, and knows both passwords without computing anything."""

    def __init__(self) -> None:
        self.tried: list[bytes] = []

    def __call__(self, stored: str, password: bytes) -> Match:
        self.tried.append(password)
        return Match.YES if password in RIGHT else Match.NO


@pytest.fixture(autouse=True)
def hashed(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr(passwords, "compare", counted)
    return counted


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    settings = settings_for(furnished_sqlite, client=(*WITH_APP, OTHER, MACHINE))
    made = make_issuer(settings, keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


@pytest.fixture
def app(issuer: LiveIssuer) -> Caller:
    return Caller(issuer)


def said(answer: httpx2.Response, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["admit-error-id"]


def claims_of(token: str) -> dict[str, Any]:
    return json.loads_object(base64url.decode(token.split(".")[1].encode()))


async def open_for(issuer: LiveIssuer, email: str = ADA[0]) -> list[str]:
    """Sessions, grants and codes that somebody has."""
    user_id = await user_id_of(issuer, email)
    nodes = [
        row["kind"]
        for row in await rows(issuer, "node")
        if row["user_id"] == user_id and row["ended_at"] is None
    ]
    return nodes + ["code" for row in await rows(issuer, "authorization_code") if row["user_id"] == user_id]


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


# Equal answers, one budget


@pytest.mark.threat("PWD-1", off="admit.issuer.accounts.passwords:hash_to_check")
@pytest.mark.threat("PWD-2", off="admit.issuer.accounts.passwords:hash_to_check")
async def test_nobody_learns_who_has_an_account(issuer: LiveIssuer, hashed: Counted) -> None:
    await issuer.services.accounts.disable(
        await user_id_of(issuer, BO[0]), info=RequestInfo(), now=issuer.clock()
    )
    told: list[Any] = []
    tries = [
        (ADA[0], "a guess"),
        ("nobody@example.com", "a guess"),
        (BO[0], BO[1]),
        ("no address", "a guess"),
    ]
    for number, (username, password) in enumerate(tries):
        app = Caller(issuer, f"198.51.100.{number}")
        flow = (await app.begin())[0].json()["flow"]
        answer = await app.password(flow, (username, password, "", ()))
        body = answer.json() | {"flow": len(answer.json()["flow"])}
        headers = sorted((name, len(value)) for name, value in answer.headers.items())
        told.append((answer.status_code, body, headers))
        assert len(hashed.tried) == number + 1, "each at the cost of one hash"
    assert all(one == told[0] for one in told)
    assert told[0][:2] == (
        403,
        {
            "error": "insufficient_authorization",
            "error_description": "The username or the password is not right.",
            "flow": 43, "next": ["password"], "expires_in": 600,
        },
    )  # fmt: skip
    failed = [one for one in await events(issuer) if one["event"] == "login.failed"]
    assert {one["client_id"] for one in failed} == {"app"}


async def test_an_address_that_is_not_proven_is_told_of_by_mail_alone(
    issuer: LiveIssuer, app: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    async def refuse(user: Any, **about: Any) -> None:
        refused.append(user.email)

    monkeypatch.setattr(issuer.services.links.__class__, "must_verify", lambda self, user: True)
    monkeypatch.setattr(issuer.services.links, "refuse_unverified", refuse)
    wrong = await app.password((await app.begin())[0].json()["flow"], password="a guess")
    unproven = await app.password(wrong.json()["flow"])
    assert unproven.json() | {"flow": ""} == wrong.json() | {"flow": ""}
    assert (refused, await open_for(issuer)) == ([ADA[0]], [])


@pytest.mark.threat("PWD-4", off="admit.issuer.throttle.budgets.store:draw")
@pytest.mark.threat("6819-4.4.3.6", off="admit.issuer.throttle.budgets.store:draw")
async def test_guesses_are_counted_before_the_hash_with_those_of_the_page(
    issuer: LiveIssuer, hashed: Counted
) -> None:
    apps = [Caller(issuer, f"198.51.100.{number}") for number in range(20)]
    flows = [(await app.begin())[0].json()["flow"] for app in apps]
    who = ("Ada@Example.com ", "", "", ())
    answers = await asyncio.gather(
        *(app.password(flow, who, "a guess") for app, flow in zip(apps, flows, strict=True))
    )
    assert Counter(answer.status_code for answer in answers) == {403: 10, 429: 10}
    assert len(hashed.tried) == 10
    late = next(answer for answer in answers if answer.status_code == 429)
    assert (late.json()["error"], late.json()["next"]) == ("slow_down", ["password"])
    assert int(late.headers["retry-after"]) >= 1
    stranger = issuer.browser("203.0.113.9")
    assert (await stranger.sign_in()).status_code == 429, "the page has the same budget"
    assert len(hashed.tried) == 10


@pytest.mark.threat("PWD-3", off="admit.issuer.accounts.devices.rules:is_known")
async def test_the_owner_on_a_known_device_is_not_shut_out_and_nobody_else_is_known(
    issuer: LiveIssuer,
) -> None:
    mine, theirs = Caller(issuer, "192.0.2.7"), Caller(issuer, "198.51.100.1")
    await mine.sign_in()
    known = mine.device
    begun = (await theirs.begin())[0].json()["flow"]
    for _ in range(10):
        begun = (await theirs.password(begun, password="a guess")).json()["flow"]
    assert (await theirs.password(begun)).status_code == 429
    await mine.sign_in()
    assert mine.device != known, "the secret is another after each sign-in"
    for device in (known, "x", "A" * 43, "ä" * 43):
        theirs.device = device
        assert (await theirs.after_password())[0].status_code == 429


# The second factor


@pytest.mark.threat("MFA-3", off=GATE)
@pytest.mark.threat("SES-8", off=GATE)
async def test_a_right_password_alone_is_no_session_no_code_and_nobody(
    issuer: LiveIssuer, app: Caller
) -> None:
    phone = await with_app(issuer)
    before = await open_for(issuer)
    waiting, verifier = await app.after_password()
    assert waiting.json().keys() == {"flow", "next", "expires_in"}
    assert waiting.json()["next"] == ["totp", "recovery_code"]
    assert await open_for(issuer) == before
    flow = waiting.json()["flow"]
    said(await app.redeem(flow, verifier), "invalid_grant")
    browser = issuer.browser()
    browser.cookies.set(SESSION_COOKIE, flow)
    assert (await browser.get("/api/session")).status_code == 401
    page = await browser.get(f"/login/second-factor?p={flow}")
    assert 'name="code"' not in page.text
    done = await app.code(flow, phone.code(issuer.clock()))
    tokens = (await app.redeem(done.json()["authorization_code"], verifier)).json()
    told = claims_of(tokens["id_token"])
    assert (told["acr"], told["amr"]) == (ACR_2FA, ["pwd", "otp", "mfa"])


@pytest.mark.threat("MFA-1", off="admit.issuer.factors.transactions:count_try")
async def test_after_five_wrong_codes_the_sign_in_is_over(issuer: LiveIssuer, app: Caller) -> None:
    phone = await with_app(issuer)
    waiting = (await app.after_password())[0]
    flow = waiting.json()["flow"]
    wrong = ["000000", "x", "ABCD-EFGH", phone.recovery_codes[0], "１２３"]  # of another step too
    for code in wrong:
        answer = await app.code(flow, code)
        said(answer, "insufficient_authorization", 403)
        assert answer.json()["next"] == ["totp", "recovery_code"]
        flow = answer.json()["flow"]
    said(await app.code(flow, phone.code(issuer.clock())), "invalid_session")
    assert await rows(issuer, "sign_in_flow") == []


@pytest.mark.threat("MFA-2", off="admit.issuer.factors.transactions:spend_step")
async def test_a_code_and_a_recovery_code_sign_in_once(issuer: LiveIssuer, app: Caller) -> None:
    phone = await with_app(issuer)
    code = phone.code(issuer.clock())
    await app.sign_in(code=code)
    used = await app.code((await app.after_password())[0].json()["flow"], code)
    said(used, "insufficient_authorization", 403)
    assert used.json()["error_description"].startswith("The code was used already")
    recovery = phone.recovery_codes[0]
    done = await app.code(used.json()["flow"], recovery.lower(), "recovery_code")
    assert done.status_code == 200, done.text
    again_ = await app.code((await app.after_password())[0].json()["flow"], recovery, "recovery_code")
    said(again_, "insufficient_authorization", 403)


@pytest.mark.threat("EXT-assurance", off="admit.issuer.factors.assurance:suffices")
async def test_a_class_that_only_our_pages_lead_to_is_no_lesser_one(issuer: LiveIssuer, app: Caller) -> None:
    wrong = await app.password((await app.begin(acr_values=ACR_2FA))[0].json()["flow"], password="a guess")
    said(wrong, "insufficient_authorization", 403)  # nothing is told of the account before its password
    right = await app.password(wrong.json()["flow"])
    said(right, "redirect_to_web", 403)
    assert "flow" not in right.json()
    assert (await open_for(issuer), await rows(issuer, "sign_in_flow")) == ([], [])


async def test_who_is_disabled_or_changed_between_the_steps_does_not_come_in(
    issuer: LiveIssuer, app: Caller
) -> None:
    accounts, user_id = issuer.services.accounts, await user_id_of(issuer, ADA[0])
    phone = await with_app(issuer)
    waiting = (await app.after_password())[0].json()["flow"]
    await accounts.disable(user_id, info=RequestInfo(), now=issuer.clock())
    said(await app.code(waiting, phone.code(issuer.clock())), "invalid_session")
    await accounts.enable(user_id, info=RequestInfo(), now=issuer.clock())
    issuer.clock.advance(60)
    waiting = (await app.after_password())[0].json()["flow"]
    await accounts.set_password(
        user_id, "another fresh pass sentence", info=RequestInfo(), now=issuer.clock()
    )
    said(await app.code(waiting, phone.code(issuer.clock())), "invalid_session")
    assert await open_for(issuer) == []


async def test_what_settings_no_longer_allow_does_not_go_on(issuer: LiveIssuer, app: Caller) -> None:
    flow = (await app.begin())[0].json()["flow"]
    narrower = replace(APP, scopes=frozenset({"openid"}))
    other = again(issuer)
    other = make_issuer(replace(issuer.settings, client=(*CLIENTS, narrower)), issuer.keyring)
    other.clock.now = issuer.clock.now
    async with other.lifespan():
        said(await Caller(other).password(flow), "invalid_scope")


# Pages


@pytest.mark.threat("WEB-csrf", off="admit.issuer.app.first_party:check_page")
async def test_no_other_page_takes_a_step(issuer: LiveIssuer, hashed: Counted) -> None:
    forged: list[dict[str, str]] = [
        {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": f"{ISSUER}.evil.example"},
        {"origin": "http://localhost:8499"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
    ]  # fmt: skip
    own = Caller(issuer, headers={"origin": SPA})
    for headers in forged:
        other = Caller(issuer, headers=headers)
        for session in (True, False):
            answer = await other.post(session=True) if session else (await other.begin())[0]
            said(answer, "csrf_failed", 403)
            assert "set-cookie" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers
        flow = (await own.begin())[0].json()["flow"]
        said(await other.password(flow), "csrf_failed", 403)
    said(await Caller(issuer).post(session=True), "csrf_failed", 403)  # a program keeps no session
    assert hashed.tried == []
    text = '{"client_id": "app", "session": true}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        sent = await own.http.post("/api/login", content=text, headers={"content-type": kind})
        said(sent, "invalid_request", 415)


@pytest.mark.threat("SES-8", off=ADVANCE)
async def test_a_page_of_the_client_gets_a_session_in_the_browser_that_began(issuer: LiveIssuer) -> None:
    page = Caller(issuer, headers={"origin": SPA})
    flow = await page.begin_session()
    thief = Caller(issuer, headers={"origin": SPA})
    said(await thief.password(flow), "invalid_session")
    await thief.begin_session()
    said(await thief.password(flow), "invalid_session")
    done = await page.password(flow)
    assert done.status_code == 200, done.text
    assert done.json().keys() == {"session"}
    assert done.json()["session"] == (await page.http.get("/api/session")).json()
    assert SESSION_COOKIE in page.http.cookies
    assert cookie_name(ISSUER, True) in page.http.cookies
    assert SESSION_COOKIE not in thief.http.cookies
    assert done.headers["access-control-allow-origin"] == SPA
    assert await rows(issuer, "authorization_code") == []
    for member in ("code_challenge", "scope", "resource", "nonce"):
        said(await page.post(session=True, **{member: "x"}), "invalid_request")


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.driver:new_raw_id")
async def test_the_session_has_a_new_id_and_the_one_before_is_worth_nothing(
    issuer: LiveIssuer,
) -> None:
    page = Caller(issuer, headers={"origin": SPA})
    planted = "A" * 43
    page.http.cookies.set(SESSION_COOKIE, planted, domain="localhost.local", path="/")
    await page.password(await page.begin_session())
    ids = [page.http.cookies.get(SESSION_COOKIE, domain="localhost.local")]
    for who in (ADA, BO):
        assert (await page.password(await page.begin_session(), who)).status_code == 200
        ids.append(page.http.cookies.get(SESSION_COOKIE, domain="localhost.local"))
    assert len({planted, *ids}) == 4
    for old in (planted, *ids[:-1]):
        stranger = issuer.browser()
        stranger.cookies.set(SESSION_COOKIE, old or "")
        assert (await stranger.get("/api/session")).status_code == 401
    assert await open_for(issuer) == []
    assert await open_for(issuer, BO[0]) == ["session"]


async def test_pages_of_first_party_clients_alone_may_ask(issuer: LiveIssuer) -> None:
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    browser = issuer.browser()
    asked = await browser.options("/api/login", headers={"origin": SPA, **preflight})
    assert (asked.status_code, asked.headers["access-control-allow-credentials"]) == (204, "true")
    refused = await browser.options("/api/login", headers={"origin": "https://evil.example", **preflight})
    assert refused.status_code == 405


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
