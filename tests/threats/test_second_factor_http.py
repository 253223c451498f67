"""MFA-1 to MFA-5, SES-1, SES-7, SES-8, EXT-assurance, O-2: second factors over HTTP, at every door."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import quote

import httpx2
import pytest

from admit.credentials import cookies
from admit.errors import ConfigError, RevokedError
from admit.issuer import AccountsConfig, Client, Settings
from admit.issuer.accounts.config import SecondFactor
from admit.issuer.accounts.rules import ADMIN_ROLE
from admit.issuer.audit import RequestInfo
from admit.issuer.clients.records import ACR_2FA
from admit.issuer.clients.rules import SESSIONS_SCOPE
from admit.issuer.factors.rules import grouped
from admit.issuer.sessions.rules import hash_id
from admit.issuer.storage import Keyring
from admit.jose import base64url, json
from tests.fixtures.issuer import (
    ADA,
    API,
    API_SECRET,
    BO,
    CLIENTS,
    ISSUER,
    Browser,
    LiveIssuer,
    answer_of,
    field_of,
    make_issuer,
    pkce,
    request_of,
    settings_for,
)
from tests.fixtures.second_factor import Phone, codes_on, secret_on, show, sign_in_with, with_app
from tests.threats.whole import SESSION_COOKIE, Heard, database_files, events, is_known, rows, user_id_of

pytestmark = pytest.mark.anyio
GATE = "admit.issuer.factors.assurance:next_step"
ENDS = "admit.issuer.factors.transactions:end_what_the_password_opened"
POLICY = "admit.issuer.factors.assurance:admits"
CLEO = ("cleo@example.com", "a fresh pass sentence 7", "Cleo", ())
OFFLINE = "openid offline_access orders:own"
NOW_2FA = {"acr": ACR_2FA, "amr": ["pwd", "otp", "mfa"]}


def asking(client: str = "spa", **more: str) -> dict[str, str]:
    return {**request_of(client), "code_challenge": pkce()[1], **more}


@asynccontextmanager
async def running(
    settings: Settings, keyring: Keyring, now: float | None = None
) -> AsyncIterator[LiveIssuer]:
    made = make_issuer(settings, keyring)
    made.clock.now = made.clock.now if now is None else now
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


def with_policy(settings: Settings, policy: SecondFactor) -> Settings:
    return replace(settings, accounts=replace(settings.accounts, second_factor=policy))


async def alive(issuer: LiveIssuer, email: str) -> list[str]:
    """What somebody has open: sessions and grants, and codes that could become one."""
    user_id = await user_id_of(issuer, email)
    nodes = [
        row["kind"]
        for row in await rows(issuer, "node")
        if row["user_id"] == user_id and row["ended_at"] is None
    ]
    codes = [
        "code"
        for row in await rows(issuer, "authorization_code")
        if row["user_id"] == user_id and row["spent_at"] is None
    ]
    return nodes + codes


async def lookup(issuer: LiveIssuer, raw: bytes) -> int:
    """What an API of the same host is told of a session id."""
    id_hash = base64.urlsafe_b64encode(hash_id(raw)).rstrip(b"=").decode()
    asked = await issuer.browser().post(
        "/session/lookup", json={"id_hash": id_hash}, auth=(quote(API, safe=""), API_SECRET)
    )
    return asked.status_code


def raw_session(browser: Browser) -> bytes:
    value = browser.cookies[SESSION_COOKIE]
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


async def is_nobody(issuer: LiveIssuer, browser: Browser) -> None:
    """No door takes this browser for somebody."""
    for path in ("/api/session", "/api/sessions", "/api/grants", "/api/second-factors"):
        assert (await browser.get(path)).status_code == 401, path
    for path in ("/account", "/account/second-factor", "/account/password"):
        reply = await browser.get(path)
        assert reply.status_code == 303, path
        assert reply.headers["location"].startswith("/login"), path
    silent = await browser.get("/authorize", params=asking(prompt="none"))
    assert answer_of(silent)["error"] == "login_required"
    assert SESSION_COOKIE not in browser.cookies


# ── every door × somebody who has an app, with the password alone ─────────────────────────────────────────────────

Door = Callable[[LiveIssuer, Browser], Awaitable[httpx2.Response]]


async def login(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    return await browser.sign_in()


async def authorize(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    return await browser.sign_in(**asking())


async def authorize_login(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    return await browser.sign_in(**asking(prompt="login", max_age="0", acr_values="urn:admit:acr:1fa"))


async def after_reset(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    user_id = await user_id_of(issuer, ADA[0])
    await issuer.services.accounts.set_password(user_id, CLEO[1], info=RequestInfo(), now=issuer.clock.now)
    return await browser.sign_in((ADA[0], CLEO[1], "", ()))


async def from_another_tab(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    waiting = await browser.sign_in(**asking())
    again = await browser.get(waiting.headers["location"])
    assert again.status_code == 200
    silent = await browser.get("/authorize", params=asking(prompt="none"))
    assert answer_of(silent)["error"] == "login_required"
    return waiting


async def after_recovery_page(issuer: LiveIssuer, browser: Browser) -> httpx2.Response:
    first = await browser.sign_in()
    page = await browser.get(first.headers["location"] + "&way=recovery")
    assert 'autocomplete="off"' in page.text
    done = await browser.get("/login/second-factor/done")
    assert done.headers["location"] == "/account"
    return first


DOORS: dict[str, Door] = {
    "login": login,
    "authorize": authorize,
    "authorize with prompt, max_age and a lower acr": authorize_login,
    "login after a new password": after_reset,
    "another tab": from_another_tab,
    "the recovery page": after_recovery_page,
}


@pytest.mark.threat("MFA-3", off=GATE)
@pytest.mark.threat("SES-8", off=GATE)
@pytest.mark.parametrize("door", DOORS)
async def test_no_door_lets_in_with_the_password_alone(
    issuer: LiveIssuer, browser: Browser, door: str
) -> None:
    phone = await with_app(issuer)
    stopped = await DOORS[door](issuer, browser)
    assert stopped.status_code == 303
    assert stopped.headers["location"].startswith("/login/second-factor?")
    assert await alive(issuer, ADA[0]) == []
    await is_nobody(issuer, browser)
    done = await show(browser, stopped, phone.code(issuer.clock.now))
    assert done.status_code == 303
    assert await alive(issuer, ADA[0]), "with the code it opens"


@pytest.mark.threat("MFA-3", off=ENDS)
async def test_what_was_open_before_the_app_is_over(issuer: LiveIssuer) -> None:
    """The doors of what exists already: session, its look-ups, refresh tokens, a code on its way."""
    browser, elsewhere = issuer.browser(), issuer.browser()
    online = await browser.tokens()
    offline = await browser.tokens(ADA, "native", scope=OFFLINE)
    await elsewhere.sign_in()
    code, verifier = await browser.code()
    raw = raw_session(elsewhere)
    assert await lookup(issuer, raw) == 200
    await with_app(issuer)
    assert await lookup(issuer, raw) == 404
    assert await issuer.sessions.find(hash_id(raw), API, issuer.clock.now) is None
    for one in (browser, elsewhere):
        assert (await one.get("/api/session")).status_code == 401
        assert (
            answer_of(await one.get("/authorize", params=asking(prompt="none")))["error"] == "login_required"
        )
    for tokens, client in ((online, "spa"), (offline, "native")):
        assert (await browser.refresh(tokens["refresh_token"], client)).json()["error"] == "invalid_grant"
    assert (await browser.redeem(code, verifier)).json()["error"] == "invalid_grant"
    await issuer.follow_once()
    with pytest.raises(RevokedError):
        await issuer.verifier.verify(online["access_token"])


@pytest.mark.threat("MFA-3", off=POLICY)
async def test_a_stricter_policy_holds_for_sessions_grants_and_codes_from_before(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    agent = replace(CLIENTS[0], scopes=CLIENTS[0].scopes | {SESSIONS_SCOPE}, userinfo_audience=False)
    settings = settings_for(furnished_sqlite, client=(agent, *CLIENTS[1:]))
    async with running(settings, keyring) as before:
        browser = before.browser()
        own = await browser.tokens(scope=f"openid {SESSIONS_SCOPE}", resource=ISSUER)
        bearer = {"authorization": f"Bearer {own['access_token']}"}
        assert (await before.browser().get("/api/sessions", headers=bearer)).status_code == 200
        tokens = await browser.tokens(ADA, "native", scope=OFFLINE)
        code, verifier = await browser.code()
        kept, raw, now = dict(browser.cookies), raw_session(browser), before.clock.now
        assert await lookup(before, raw) == 200
    async with running(with_policy(settings, SecondFactor.REQUIRED), keyring, now + 1) as issuer:
        browser = issuer.browser()
        browser.cookies.update(kept)
        assert (await browser.get("/api/session")).status_code == 401
        assert await lookup(issuer, raw) == 404
        assert (await issuer.browser().get("/api/sessions", headers=bearer)).status_code == 401
        silent = await browser.get("/authorize", params=asking(prompt="none"))
        assert answer_of(silent)["error"] == "login_required"
        assert (await browser.refresh(tokens["refresh_token"], "native")).json()["error"] == "invalid_grant"
        assert (await browser.redeem(code, verifier)).json()["error"] == "invalid_grant"


@pytest.mark.threat("MFA-3", off=GATE)
@pytest.mark.parametrize("door", ["login", "signup", "authorize"])
async def test_where_it_is_required_an_app_is_added_before_anything_else(
    furnished_sqlite: str, keyring: Keyring, door: str
) -> None:
    settings = with_policy(settings_for(furnished_sqlite), SecondFactor.REQUIRED)
    async with running(settings, keyring) as issuer:
        browser, email = issuer.browser(), ADA[0]
        if door == "signup":
            page, email = await browser.get("/signup"), CLEO[0]
            stopped = await browser.submit("/signup", page.text, email=email, name="Cleo", password=CLEO[1])
        else:
            stopped = await browser.sign_in(**(asking() if door == "authorize" else {}))
        location = stopped.headers["location"]
        assert location.startswith("/login/second-factor/add?")
        assert await alive(issuer, email) == []
        await is_nobody(issuer, browser)
        page = await browser.get(location)
        assert "Not now" not in page.text
        phone = Phone(secret_on(page.text), None)  # type: ignore[arg-type]  # whose it is does not matter here
        handle, code = field_of(page.text, "p"), phone.code(issuer.clock.now)
        refused = await browser.submit(
            "/login/second-factor/add", page.text, p=handle, code=code, do="refuse", name="x" * 61
        )
        assert refused.status_code == 400, "neither without an app, nor with such a name"
        by_code = await browser.submit("/login/second-factor", page.text, p=handle, code=code)
        assert by_code.status_code == 400, "an app that is not there yet proves nothing"
        assert await alive(issuer, email) == []
        added = await browser.submit("/login/second-factor/add", page.text, p=handle, code=code, name="")
        assert added.status_code == 200
        assert len(codes_on(added.text)) == 10
        assert (await browser.get("/api/session")).status_code == 200
        if door == "authorize":
            on = await browser.get("/login/second-factor/done", params={"i": field_of(page.text, "i")})
            assert "code" in answer_of(on)


@pytest.mark.threat("MFA-3", off=GATE)
async def test_operators_must_where_the_policy_says_so_and_others_need_not(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    settings = with_policy(settings_for(furnished_sqlite), SecondFactor.OPERATORS)
    async with running(settings, keyring) as issuer:
        ada = await user_id_of(issuer, ADA[0])
        await issuer.services.accounts.add_role(ada, ADMIN_ROLE, info=RequestInfo(), now=issuer.clock.now)
        assert (await issuer.browser().sign_in(BO)).headers["location"] == "/account"
        stopped = await issuer.browser().sign_in(ADA)
        assert stopped.headers["location"].startswith("/login/second-factor/add?")


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


# ── adding and removing ───────────────────────────────────────────────────────────────────────────────────────────


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


def test_nobody_has_to_have_one_unless_the_settings_say_so() -> None:
    assert AccountsConfig().second_factor is SecondFactor.OPTIONAL
