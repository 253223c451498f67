"""Sign-in by JSON: equal answers for all accounts, one budget with the page, and the second factor.

PWD-1, PWD-2, PWD-4, MFA-1, MFA-2, MFA-3.
"""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from admit.issuer.audit import RequestInfo
from admit.issuer.clients.records import ACR_2FA
from tests.fixtures.first_party import APP, Caller
from tests.fixtures.issuer import (
    ADA,
    BO,
    CLIENTS,
    LiveIssuer,
    make_issuer,
)
from tests.fixtures.second_factor import with_app
from tests.threats.first_party.client import Counted, claims_of, open_for, said
from tests.threats.whole import SESSION_COOKIE, again, events, rows, user_id_of

pytestmark = pytest.mark.anyio
GATE = "admit.issuer.factors.assurance:next_step"
ADVANCE = "admit.issuer.grants.flows:advance"


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
