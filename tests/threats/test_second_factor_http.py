"""MFA-1, MFA-2, MFA-4, EXT-assurance, SES-1: what is told of a second factor, and the step that asks for it."""

import base64
from dataclasses import replace

import pytest

from admit.errors import ConfigError
from admit.issuer import Client
from admit.issuer.audit import RequestInfo
from admit.issuer.clients.records import ACR_2FA
from admit.issuer.factors.rules import grouped
from admit.issuer.sessions.rules import hash_id
from admit.issuer.storage import Keyring
from admit.jose import base64url, json
from tests.fixtures.issuer import (
    ADA,
    API,
    CLIENTS,
    ISSUER,
    Browser,
    LiveIssuer,
    answer_of,
    field_of,
    settings_for,
)
from tests.fixtures.second_factor import show, sign_in_with, with_app
from tests.threats.steps import CLEO, alive, asking, lookup, raw_session, running
from tests.threats.whole import SESSION_COOKIE, events, user_id_of

pytestmark = pytest.mark.anyio
NOW_2FA = {"acr": ACR_2FA, "amr": ["pwd", "otp", "mfa"]}


# ── what is told ──────────────────────────────────────────────────────────────────────────────────────────────────


async def told_everywhere(issuer: LiveIssuer, browser: Browser) -> list[dict[str, object]]:
    """`acr` and `amr` as ID token, access token, session and API of the same host have them."""
    tokens = await browser.tokens()

    def said(token: str) -> dict[str, object]:
        claims = json.loads_object(base64url.decode(token.split(".")[1].encode()))
        return {name: claims[name] for name in ("acr", "amr")}

    found = await issuer.sessions.find(hash_id(raw_session(browser)), API, issuer.clock.now)
    assert found is not None
    principal = found.principal
    return [
        said(tokens["id_token"]),
        said(tokens["access_token"]),
        {"acr": principal.acr, "amr": list(principal.amr)},
        {name: principal.claims[name] for name in ("acr", "amr")},
    ]


@pytest.mark.rfc("8176", "2")
async def test_tokens_and_sessions_tell_what_was_shown(issuer: LiveIssuer) -> None:
    browser = issuer.browser()
    await browser.sign_in()
    assert await told_everywhere(issuer, browser) == [{"acr": "urn:admit:acr:1fa", "amr": ["pwd"]}] * 4
    phone, browser = await with_app(issuer), issuer.browser()
    await sign_in_with(browser, phone, issuer.clock.now)
    assert await told_everywhere(issuer, browser) == [NOW_2FA] * 4
    browser = issuer.browser()
    done = await show(browser, await browser.sign_in(), grouped(phone.recovery_codes[0], "-"))
    assert done.status_code == 303
    recovery = {"acr": ACR_2FA, "amr": ["pwd", "otp", "mfa", "urn:admit:amr:recovery"]}
    assert await told_everywhere(issuer, browser) == [recovery] * 4


@pytest.mark.threat("EXT-assurance", off="admit.issuer.factors.assurance:suffices")
@pytest.mark.parametrize(
    "wish",
    [
        {"acr_values": f"urn:else {ACR_2FA}"},
        {"client_id": "bank"},
    ],
    ids=["acr_values", "client setting"],
)
async def test_an_application_that_wants_two_factors_gets_no_less(
    furnished_sqlite: str, keyring: Keyring, wish: dict[str, str]
) -> None:
    bank = replace(CLIENTS[0], id="bank", name="Bank", acr=ACR_2FA)
    async with running(settings_for(furnished_sqlite, client=(*CLIENTS, bank)), keyring) as issuer:
        browser = issuer.browser()
        await browser.sign_in()
        silent = await browser.get("/authorize", params=asking(prompt="none") | wish)
        assert answer_of(silent)["error"] == "login_required"
        stopped = await browser.sign_in(**(asking() | wish))
        location = stopped.headers["location"]
        assert location.startswith("/login/second-factor/add?")
        page = await browser.get(location)
        refused = await browser.submit(
            "/login/second-factor/add", page.text, p=field_of(page.text, "p"), do="refuse"
        )
        assert answer_of(refused)["error"] == "unmet_authentication_requirements"
        phone = await with_app(issuer)
        browser = issuer.browser()
        done = await sign_in_with(browser, phone, issuer.clock.now, **(asking() | wish))
        assert "code" in answer_of(done)
        assert "code" in answer_of(await browser.get("/authorize", params=asking(prompt="none") | wish))


async def test_what_is_only_wished_for_is_told_and_not_forced(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    for acr_values in ("urn:else", f"{ACR_2FA} urn:admit:acr:1fa", "1 2"):
        silent = await browser.get("/authorize", params=asking(prompt="none", acr_values=acr_values))
        assert "code" in answer_of(silent), acr_values


@pytest.mark.threat("EXT-assurance")
@pytest.mark.parametrize(
    ("claims", "error"),
    [
        (
            '{"id_token":{"acr":{"essential":true,"values":["urn:else"]}}}',
            "unmet_authentication_requirements",
        ),
        ('{"id_token":{"acr":{"essential":true,"value":"urn:admit:acr:2fa"}}}', "login_required"),
        ('{"id_token":{"acr":{"essential":true,"values":"x"}}}', "invalid_request"),
        ('{"id_token":[]}', "invalid_request"),
        ("nonsense", "invalid_request"),
        ('{"id_token":{"acr":null}}', None),
        ('{"id_token":{"acr":{"values":["urn:else"]}}}', None),
        ('{"userinfo":{"name":null}}', None),
    ],
)
async def test_an_essential_class_that_is_not_known_is_an_error_and_not_less(
    issuer: LiveIssuer, browser: Browser, claims: str, error: str | None
) -> None:
    await browser.sign_in()
    silent = answer_of(await browser.get("/authorize", params=asking(prompt="none", claims=claims)))
    assert silent.get("error") == error
    assert ("code" in silent) == (error is None)


async def test_a_client_setting_that_is_no_class_is_refused(furnished_sqlite: str) -> None:
    with pytest.raises(ConfigError, match="acr wants"):
        settings_for(furnished_sqlite, client=(replace(CLIENTS[0], acr="urn:else"),)).registry  # noqa: B018
    with pytest.raises(ConfigError, match="default_acr_values wants"):
        settings_for(  # noqa: B018
            furnished_sqlite, client=(replace(CLIENTS[0], default_acr_values=("urn:else",)),)
        ).registry
    assert Client(id="a", name="A").acr is None


# ── the step itself ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.driver:new_raw_id")
async def test_the_session_has_a_new_id_after_the_step(issuer: LiveIssuer, browser: Browser) -> None:
    phone = await with_app(issuer)
    await sign_in_with(browser, phone, issuer.clock.now)
    first = browser.cookies[SESSION_COOKIE]
    issuer.clock.advance(30)
    stopped = await browser.sign_in(**asking(prompt="login"))
    assert browser.cookies[SESSION_COOKIE] == first, "the password alone changes no session"
    await show(browser, stopped, phone.code(issuer.clock.now))
    assert browser.cookies[SESSION_COOKIE] != first
    assert await lookup(issuer, base64.urlsafe_b64decode(first + "=")) == 404


@pytest.mark.threat("MFA-1", off="admit.issuer.factors.transactions:count_try")
async def test_after_five_wrong_codes_the_password_is_asked_again_and_after_ten_nothing_helps(
    issuer: LiveIssuer, browser: Browser
) -> None:
    phone = await with_app(issuer)
    good = {phone.code(issuer.clock.now + 30 * away) for away in (-1, 0, 1)}
    wrong = next(code for n in range(4) if (code := f"{n:06}") not in good)
    for _ in range(2):
        first = await browser.sign_in()
        for _ in range(5):
            reply = await show(browser, first, wrong)
            assert reply.status_code == 400
            assert "That code does not match" in reply.text
        page = await browser.get(first.headers["location"])
        assert page.status_code == 400
        assert "Sign in again" in page.text
        assert 'name="password"' in page.text
    limited = await show(browser, await browser.sign_in(), phone.code(issuer.clock.now))
    assert limited.status_code == 429
    assert 3_000 < int(limited.headers["retry-after"]) <= 3_600
    assert await alive(issuer, ADA[0]) == []
    told = [one["detail"] for one in await events(issuer) if one["event"] in ("login.failed", "throttled")]
    assert told.count({"reason": "second factor: wrong code"}) == 10
    assert told.count({"reason": "second-factor"}) == 1


async def test_nobody_without_the_password_uses_up_the_tries(issuer: LiveIssuer) -> None:
    phone, stranger = await with_app(issuer), issuer.browser("198.51.100.9")
    page = await stranger.get("/login")
    csrf = field_of(page.text, "csrf")
    for n in range(20):
        form = {"csrf": csrf, "p": f"{n}" * 43, "code": f"{n:06}"}
        reply = await stranger.post("/login/second-factor", data=form, headers={"origin": ISSUER})
        assert reply.status_code == 400
    await sign_in_with(issuer.browser(), phone, issuer.clock.now)


async def test_a_waiting_sign_in_is_of_its_browser_and_ends_with_a_new_password(issuer: LiveIssuer) -> None:
    phone, browser, thief = await with_app(issuer), issuer.browser(), issuer.browser()
    first = await browser.sign_in()
    stolen = await thief.get(first.headers["location"])
    assert 'name="password"' in stolen.text
    page = await browser.get(first.headers["location"])
    taken = await thief.submit(
        "/login/second-factor", stolen.text, p=field_of(page.text, "p"), code=phone.code(issuer.clock.now)
    )
    assert taken.status_code == 400
    user_id = await user_id_of(issuer, ADA[0])
    await issuer.services.accounts.set_password(user_id, CLEO[1], info=RequestInfo(), now=issuer.clock.now)
    late = await show(browser, first, phone.code(issuer.clock.now))
    assert late.status_code == 400
    assert "Sign in again" in late.text
    assert await alive(issuer, ADA[0]) == []


@pytest.mark.threat("PWD-9", off="admit.issuer.sessions.rules:same_credentials")
async def test_a_step_that_waits_since_before_a_new_password_renews_no_session_that_lives_on(
    issuer: LiveIssuer,
) -> None:
    """The password is changed in another tab of the same browser, whose session goes on under a new id: the old
    password, shown before, is no fresh proof of anybody.
    """
    phone, browser = await with_app(issuer), issuer.browser()
    await sign_in_with(browser, phone, issuer.clock.now)
    issuer.clock.now += 600
    page = await browser.get("/login?again=1")
    first = await browser.submit("/login", page.text, email=ADA[0], password=ADA[1], again="1")
    page = await browser.get("/account/password")
    new = {"current_password": ADA[1], "new_password": CLEO[1]}
    changed = await browser.submit("/account/password", page.text, **new)
    assert changed.headers["location"] == "/account?done=password"
    kept = await issuer.services.sessions.find(hash_id(raw_session(browser)), issuer.clock.now)
    late = await show(browser, first, phone.code(issuer.clock.now))
    assert "Sign in again" in late.text
    found = await issuer.services.sessions.find(hash_id(raw_session(browser)), issuer.clock.now)
    assert kept is not None
    assert found is not None
    assert found.auth_time == kept.auth_time < issuer.clock.now - 500


async def test_no_form_of_another_page_takes_the_step(issuer: LiveIssuer, browser: Browser) -> None:
    phone = await with_app(issuer)
    first = await browser.sign_in()
    page = await browser.get(first.headers["location"])
    form = {"p": field_of(page.text, "p"), "code": phone.code(issuer.clock.now)}
    for csrf, origin in (
        ("", ISSUER),
        ("A" * 43, ISSUER),
        (field_of(page.text, "csrf"), "https://evil.example"),
    ):
        refused = await browser.post(
            "/login/second-factor", data={**form, "csrf": csrf}, headers={"origin": origin}
        )
        assert refused.status_code == 403
    assert await alive(issuer, ADA[0]) == []


async def test_codes_may_be_pasted_with_blanks_and_anything_else_is_told_kindly(
    issuer: LiveIssuer, browser: Browser
) -> None:
    phone = await with_app(issuer)
    first = await browser.sign_in()
    for typed, said in (("", "Type the code."), ("12 34", "does not match"), ("' OR 1", "does not match")):
        reply = await show(browser, first, typed)
        assert reply.status_code == 400
        assert said in reply.text
        assert typed == "" or typed not in reply.text.replace("&#39;", "'")
    code = phone.code(issuer.clock.now)
    assert (await show(browser, first, f" {code[:3]} {code[3:]} ")).status_code == 303
