"""MFA-5, SES-1, SES-7, O-2: adding and removing one's own apps and recovery codes, by page and API."""

import base64
from urllib.parse import quote

import httpx2
import pytest

from admit.credentials import cookies
from admit.issuer.audit import RequestInfo
from admit.issuer.clients.records import ACR_2FA
from admit.issuer.sessions.rules import hash_id
from tests.fixtures.issuer import (
    ADA,
    API,
    BO,
    ISSUER,
    Browser,
    LiveIssuer,
    field_of,
)
from tests.fixtures.second_factor import Phone, codes_on, secret_on, show, sign_in_with, with_app
from tests.threats.steps import lookup, raw_session
from tests.threats.whole import SESSION_COOKIE, Heard, database_files, is_known, rows

pytestmark = pytest.mark.anyio


async def change(browser: Browser, **form: str) -> httpx2.Response:
    page = await browser.get("/account/second-factor")
    assert page.status_code == 200, page.headers
    return await browser.submit("/account/second-factor", page.text, **form)


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.driver:new_raw_id")
async def test_somebody_adds_an_app_and_goes_on_under_a_new_id(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    first = browser.cookies[SESSION_COOKIE]
    begun = await change(browser, do="add")
    page = await browser.get(begun.headers["location"])
    assert page.headers["cache-control"] == "no-store"
    phone = Phone(secret_on(page.text), None)  # type: ignore[arg-type]  # whose it is does not matter here
    form = {"f": field_of(page.text, "f"), "name": "Phone <b>"}
    path = "/account/second-factor/add"
    wrong = await browser.submit(path, page.text, **form, code="12345")
    assert wrong.status_code == 400
    assert secret_on(wrong.text) == phone.secret
    added = await browser.submit(path, page.text, **form, code=phone.code(issuer.clock.now))
    assert added.status_code == 200
    codes = codes_on(added.text)
    assert len(codes) == 10
    assert quote("\n".join(codes), safe="") in added.text.replace("%0A", "%0A")
    assert browser.cookies[SESSION_COOKIE] != first
    assert await lookup(issuer, base64.urlsafe_b64decode(first + "=")) == 404
    found = await issuer.sessions.find(hash_id(raw_session(browser)), API, issuer.clock.now)
    assert found is not None
    assert (found.principal.acr, found.principal.amr) == (ACR_2FA, ("pwd", "otp", "mfa"))
    shown = await browser.get("/account/second-factor")
    assert "Phone &lt;b&gt;" in shown.text
    assert "10 left" in shown.text
    again = await browser.submit(path, page.text, **form, code=phone.code(issuer.clock.now))
    assert again.status_code in (303, 403), "once"
    listed = (await browser.get("/api/second-factors")).json()
    assert listed["recovery_codes_left"] == 10
    assert [one["name"] for one in listed["second_factors"]] == ["Phone <b>"]


@pytest.mark.threat("MFA-5", off="admit.issuer.sessions.rules:is_fresh")
@pytest.mark.threat("SES-7", off="admit.issuer.sessions.rules:is_fresh")
async def test_an_unlocked_screen_adds_and_removes_nothing_until_password_and_code_are_shown(
    issuer: LiveIssuer, browser: Browser
) -> None:
    phone = await with_app(issuer)
    await sign_in_with(browser, phone, issuer.clock.now)
    issuer.clock.advance(601)
    for form in ({"do": "add"}, {"do": "remove", "app": phone.id}, {"do": "codes"}):
        elsewhere = await change(browser, **form)
        assert elsewhere.status_code == 303
        assert elsewhere.headers["location"] == "/login?again=1&next=second-factor", form
    token = (await browser.get("/api/session")).json()["csrf_token"]
    headers = {"x-csrf-token": token, "origin": ISSUER}
    by_api = await browser.delete(f"/api/second-factors/{phone.id}", headers=headers)
    assert (by_api.status_code, by_api.json()["error"]) == (403, "reauthentication_required")
    # The password alone makes nothing fresh.
    page = await browser.get("/login?again=1&next=second-factor")
    first = await browser.submit(
        "/login", page.text, email=ADA[0], password=ADA[1], again="1", next="second-factor"
    )
    assert (await change(browser, do="add")).headers["location"].startswith("/login?again=1")
    assert len(await rows(issuer, "second_factor")) == 1
    done = await show(browser, first, phone.code(issuer.clock.now))
    assert done.headers["location"] == "/account/second-factor"
    removed = await change(browser, do="remove", app=phone.id)
    assert removed.headers["location"] == "/account/second-factor?done=removed"
    assert await rows(issuer, "second_factor") == []
    assert await is_known(issuer, browser, ADA[0])


@pytest.mark.threat("MFA-5", off="admit.issuer.app.routes.account_second_factor:may_change")
async def test_a_session_that_showed_no_second_factor_changes_none_that_is_there(
    issuer: LiveIssuer, browser: Browser
) -> None:
    """Such a session is over; here is one that was left, as a fault might leave it."""
    phone = await with_app(issuer)
    user = await issuer.services.accounts.get(phone.user.id)
    assert user is not None
    left = await issuer.services.sessions.start(
        user, auth_time=issuer.clock.now, acr="urn:admit:acr:1fa", amr=("pwd",), info=RequestInfo(),
        now=issuer.clock.now,
    )  # fmt: skip
    browser.cookies.set(SESSION_COOKIE, cookies.encode_session_id(left.raw), domain="localhost.local")
    for form in ({"do": "remove", "app": phone.id}, {"do": "add"}):
        elsewhere = await change(browser, **form)
        assert elsewhere.headers["location"].startswith("/login?again=1")
    token = (await browser.get("/api/session")).json()["csrf_token"]
    refused = await browser.delete(
        f"/api/second-factors/{phone.id}", headers={"x-csrf-token": token, "origin": ISSUER}
    )
    assert refused.status_code == 403
    assert len(await rows(issuer, "second_factor")) == 1


async def test_one_removes_ones_own_apps_by_page_and_api_and_nobody_elses(issuer: LiveIssuer) -> None:
    phone, bo = await with_app(issuer), await with_app(issuer, BO[0])
    browser = issuer.browser()
    await sign_in_with(browser, phone, issuer.clock.now)
    headers = {"x-csrf-token": (await browser.get("/api/session")).json()["csrf_token"], "origin": ISSUER}
    for id, status in ((bo.id, 404), ("nonsense", 404)):
        assert (await browser.delete(f"/api/second-factors/{id}", headers=headers)).status_code == status
        page = await change(browser, do="remove", app=id)
        assert page.status_code == 400
    assert (await browser.delete(f"/api/second-factors/{phone.id}")).status_code == 403, "no CSRF token"
    bearer = await browser.get("/api/second-factors")
    assert bearer.status_code == 200
    assert (await browser.delete(f"/api/second-factors/{phone.id}", headers=headers)).status_code == 204
    assert [row["id"] for row in await rows(issuer, "second_factor")] == [bo.id]
    assert (await issuer.browser().sign_in()).headers["location"] == "/account"


async def test_new_recovery_codes_replace_the_old(issuer: LiveIssuer, browser: Browser) -> None:
    phone = await with_app(issuer)
    await sign_in_with(browser, phone, issuer.clock.now)
    made = codes_on((await change(browser, do="codes")).text)
    assert len(made) == 10
    other = issuer.browser()
    first = await other.sign_in()
    old = await show(other, first, phone.recovery_codes[0], way="recovery")
    assert "recovery code does not work" in old.text
    assert (await show(other, first, made[0].lower())).status_code == 303
    assert "9 left" in (await browser.get("/account/second-factor")).text


@pytest.mark.threat(
    "O-2", off=["admit.issuer.factors.codes:seal", "admit.issuer.factors.rules:hash_recovery_code"]
)
async def test_no_secret_of_a_second_factor_is_found_in_files_logs_or_records(
    issuer: LiveIssuer, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    heard = Heard()
    heard.listen(browser)
    phone = await with_app(issuer)
    await sign_in_with(browser, phone, issuer.clock.now)
    await change(browser, do="add")
    secrets = [
        phone.secret.encode(),
        base64.b32decode(phone.secret),
        *(code.encode() for code in phone.recovery_codes),
    ]
    for file in database_files(issuer):
        content = file.read_bytes()
        assert not any(secret in content for secret in secrets), file.name
    said = caplog.text + "".join(
        str(response.request.url) + str(response.headers) for response in heard.responses
    )
    assert not any(secret.decode("latin-1") in said for secret in secrets)
