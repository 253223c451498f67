"""SES-1, SES-2, O-6, PWD-2, PWD-6, 9700-clientid: signing in over HTTP."""

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.credentials import cookies
from admit.errors import ConfigError
from admit.issuer.accounts import passwords
from admit.issuer.accounts.driver import Accounts, new_user_id
from admit.issuer.accounts.passwords import Match
from admit.issuer.accounts.transactions import RightPassword
from admit.issuer.app.cookies import PRE_SESSION_LIFE
from admit.issuer.audit import RequestInfo
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import (
    ADA,
    BO,
    CLIENTS,
    ISSUER,
    SPA,
    Browser,
    LiveIssuer,
    field_of,
    make_issuer,
    pkce,
    request_of,
    settings_for,
)
from tests.fixtures.second_factor import show, with_app
from tests.plugins.patience import patience
from tests.threats.whole import SESSION_COOKIE, Heard, user_id_of

pytestmark = pytest.mark.anyio
PLANTED = cookies.encode_session_id(b"p" * 32)


def plant(browser: Browser, value: str) -> None:
    """A cookie that the issuer did not set, for every request of this browser."""
    browser.headers["cookie"] = f"{SESSION_COOKIE}={value}"


def cookie_set(response: httpx2.Response, name: str = SESSION_COOKIE) -> str:
    """The value that a response gives a cookie."""
    found = [
        value.partition(";")[0].removeprefix(f"{name}=")
        for field, value in response.headers.multi_items()
        if field == "set-cookie" and value.startswith(f"{name}=")
    ]
    assert len(found) == 1
    return found[0]


async def is_signed_in(issuer: LiveIssuer, value: str) -> bool:
    visitor = issuer.browser()
    plant(visitor, value)
    return (await visitor.get("/api/session")).status_code == 200


# Fixation


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.driver:new_raw_id")
async def test_an_id_that_the_server_did_not_make_is_ignored(issuer: LiveIssuer) -> None:
    victim = issuer.browser()
    page = await victim.get("/login")
    pre_session = (
        f"{issuer.app.cookies.pre_session_name}={cookie_set(page, issuer.app.cookies.pre_session_name)}"
    )
    victim.headers["cookie"] = f"{SESSION_COOKIE}={PLANTED}; {pre_session}"
    signed_in = await victim.submit("/login", page.text, email=ADA[0], password=ADA[1])
    assert signed_in.status_code == 303
    assert cookie_set(signed_in) != PLANTED
    assert not await is_signed_in(issuer, PLANTED)
    assert await is_signed_in(issuer, cookie_set(signed_in))


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.transactions:end_replaced")
async def test_a_planted_session_of_somebody_else_is_dead_after_the_sign_in(issuer: LiveIssuer) -> None:
    attacker = issuer.browser()
    page = await attacker.get("/login")
    planted = cookie_set(await attacker.submit("/login", page.text, email=BO[0], password=BO[1]))
    assert await is_signed_in(issuer, planted)
    victim = issuer.browser()
    victim.cookies.set(SESSION_COOKIE, planted, domain="localhost.local")
    started = await victim.get(
        "/authorize", params={**request_of("spa"), "code_challenge": pkce()[1], "prompt": "login"}
    )
    page = await victim.get(started.headers["location"])
    signed_in = await victim.submit("/login", page.text, email=ADA[0], password=ADA[1])
    assert cookie_set(signed_in) != planted
    assert not await is_signed_in(issuer, planted)


async def test_each_sign_in_has_a_new_id(issuer: LiveIssuer, browser: Browser) -> None:
    seen = set()
    for _ in range(3):
        page = await browser.get("/login")
        signed_in = await browser.submit("/login", page.text, email=ADA[0], password=ADA[1])
        seen.add(cookie_set(signed_in))
        browser.cookies.delete(SESSION_COOKIE)
    assert len(seen) == 3


async def test_who_signed_in_stays_so_where_the_way_back_is_gone_meanwhile(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another tab was quicker with the same request. The old id is dead by then: the browser must have the new one."""
    await browser.sign_in()
    before = browser.cookies[SESSION_COOKIE]
    asked = {**request_of("spa"), "code_challenge": pkce()[1], "prompt": "login"}
    page = await browser.get((await browser.get("/authorize", params=asked)).headers["location"])
    handle, pre_session = field_of(page.text, "i"), browser.cookies[issuer.app.cookies.pre_session_name]
    accounts, check = issuer.services.accounts, issuer.services.accounts.try_password

    async def slower(self: Accounts, **typed: Any) -> RightPassword | None:
        right = await check(**typed)
        binding = cookies.decode_session_id(pre_session.encode())
        assert await issuer.services.interactions.finish(handle, binding, issuer.clock.now)
        return right

    monkeypatch.setattr(type(accounts), "try_password", slower)
    late = await browser.submit("/login", page.text, email=ADA[0], password=ADA[1])
    assert (late.status_code, "location" in late.headers) == (400, False)
    assert browser.cookies[SESSION_COOKIE] != before
    assert (await browser.get("/api/session")).status_code == 200


async def test_a_sign_in_is_not_lost_because_the_browser_began_another_one_long_before(
    issuer: LiveIssuer, browser: Browser
) -> None:
    """The cookie that a form is held to lives on with each form, not from the first one."""
    name = issuer.app.cookies.pre_session_name
    asked = {**request_of("spa"), "code_challenge": pkce()[1], "prompt": "login"}
    first = await browser.get("/login")
    started = await browser.get("/authorize", params=asked)
    page = await browser.get(started.headers["location"])
    kept = {cookie_set(answer, name) for answer in (first, started, page)}
    assert len(kept) == 1, "one value, so that no tab takes another's away"
    assert all(
        f"Max-Age={int(PRE_SESSION_LIFE.total_seconds())}" in value
        for value in page.headers.get_list("set-cookie")
    )
    waits = await with_app(issuer)
    step = await browser.submit("/login", page.text, email=ADA[0], password=ADA[1])
    assert {cookie_set(step, name)} == kept
    done = await show(browser, step, waits.code(issuer.clock.now))
    assert done.headers["location"].startswith(SPA)


# Cookies


@pytest.fixture
async def https_issuer(sqlite_url: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """An issuer as people run it, on https."""
    settings = replace(
        settings_for(sqlite_url), issuer="https://id.example.com", dev=False, client=(), resource=()
    )
    made = make_issuer(settings, keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


async def all_cookies(issuer: LiveIssuer, base: str) -> list[str]:
    """Every Set-Cookie of signing up, in, wrong, and out."""
    heard = Heard()
    browser = heard.listen(issuer.browser())
    browser.base_url = base
    browser.origin = base
    page = await browser.get("/signup")
    form = {"name": "Cy", "email": "cy@example.com", "password": "a good long password"}
    assert (await browser.submit("/signup", page.text, **form)).status_code == 303
    page = await browser.get("/logout")
    assert (await browser.submit("/logout", page.text)).status_code == 200
    page = await browser.get("/login")
    await browser.submit("/login", page.text, email="cy@example.com", password="wrong one")
    await browser.submit("/login", page.text, email="cy@example.com", password="a good long password")
    page = await browser.get("/account")
    await browser.submit("/account", page.text, do="sign_out")
    return [
        value
        for response in heard.responses
        for name, value in response.headers.multi_items()
        if name == "set-cookie"
    ]


@pytest.mark.rfc("6265", "4.1.2")
@pytest.mark.threat("SES-2", off="admit.credentials.cookies:set_cookie")
async def test_every_cookie_of_an_https_issuer_has_all_its_guards(https_issuer: LiveIssuer) -> None:
    found = await all_cookies(https_issuer, "https://id.example.com")
    assert len(found) >= 5
    for value in found:
        pair, *attributes = value.split("; ")
        name, _, content = pair.partition("=")
        assert name.startswith("__Host-admit-"), name
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes), name
        assert not any(attribute.startswith("Domain") for attribute in attributes), name
        assert content == "" or len(cookies.decode_session_id(content.encode())) * 8 == 256


@pytest.mark.threat("SES-5", off="admit.issuer.app.cookies:forgotten_at_sign_out")
async def test_signing_out_has_browsers_forget_pages_fetched_ahead_and_nothing_of_others(
    https_issuer: LiveIssuer,
) -> None:
    base = "https://id.example.com"
    browser = https_issuer.browser()
    browser.base_url, browser.origin = base, base
    page = await browser.get("/signup")
    own = {"name": "Cy", "email": "cy@example.com", "password": "three words here"}
    await browser.submit("/signup", page.text, **own)
    account = await browser.get("/account")
    assert "clear-site-data" not in account.headers
    devices = [name for name in browser.cookies if "device" in name]
    out = await browser.submit("/account", account.text, do="sign_out")
    assert out.headers["clear-site-data"] == '"prefetchCache", "prerenderCache"'
    assert [name for name in browser.cookies if "device" in name] == devices != []


@pytest.mark.threat("SES-2", off="admit.credentials.cookies:set_cookie")
async def test_only_secure_is_left_out_in_development(issuer: LiveIssuer) -> None:
    found = await all_cookies(issuer, ISSUER)
    for value in found:
        _, *attributes = value.split("; ")
        assert value.startswith("admit-dev-")
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)


@pytest.mark.threat("SES-3", off="admit.credentials.cookies:check_header_size")
@pytest.mark.parametrize("path", ["/login", "/account", "/api/session"])
async def test_20_kb_of_cookies_are_refused_and_said_to_be_too_many(issuer: LiveIssuer, path: str) -> None:
    """Another host below ours may have set them: a page to sign in on would only be shown again and again."""
    visitor = issuer.browser()
    visitor.headers["cookie"] = f"a={'b' * 20_480}"
    refused = await visitor.get(path)
    assert refused.status_code == 431
    assert ("too large" if path.startswith("/api/") else "Too many cookies") in refused.text
    visitor.headers["cookie"] = f"a={'b' * 12_000}"
    assert (await visitor.get(path)).status_code in (200, 303, 401)


# Whose answer is it?


@pytest.mark.threat("O-6", off="admit.issuer.app.context:App.session")
@pytest.mark.threat("SES-10", off="admit.issuer.app.context:App.session")
async def test_every_answer_belongs_to_who_asked_under_concurrency(issuer: LiveIssuer) -> None:
    people = [ADA, BO] * 3
    browsers = [issuer.browser() for _ in people]
    await asyncio.gather(*(browser.sign_in(who) for browser, who in zip(browsers, people, strict=True)))
    subjects = {who[0]: await user_id_of(issuer, who[0]) for who in (ADA, BO)}
    sids = [(await browser.get("/api/session")).json()["sid"] for browser in browsers]
    assert len(set(sids)) == len(people)

    async def one(n: int) -> None:
        browser, who = browsers[n], people[n]
        tokens = await browser.tokens(who)
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        session, told, refreshed = await asyncio.gather(
            browser.get("/api/session"),
            browser.get("/userinfo", headers=bearer),
            browser.refresh(tokens["refresh_token"]),
        )
        assert (session.json()["sub"], session.json()["sid"]) == (subjects[who[0]], sids[n])
        assert told.json()["sub"] == subjects[who[0]]
        await issuer.follow_once()
        principal = await issuer.verifier.verify(refreshed.json()["access_token"])
        assert (principal.subject, principal.session_id) == (subjects[who[0]], sids[n])
        assert who[0] in (await browser.get("/account")).text

    await asyncio.gather(*(one(n) for n in [*range(len(people))] * 2))


# Passwords


@pytest.mark.threat("PWD-2", off="admit.issuer.accounts.passwords:hash_to_check")
async def test_nobody_learns_by_signing_in_who_has_an_account(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    bo = await user_id_of(issuer, BO[0])
    await issuer.services.accounts.disable(bo, info=RequestInfo(), now=issuer.clock())
    hashed: list[str] = []
    compare = passwords.compare

    def counted(stored: str, password: bytes) -> Match:
        hashed.append(stored.rpartition("$")[0].rpartition("$")[0])
        return compare(stored, password)

    monkeypatch.setattr(passwords, "compare", counted)
    page = (await browser.get("/login")).text
    answers, work = set(), set()
    for email, password in (
        (ADA[0], "not her password"),
        ("nobody@example.com", "not her password"),
        (BO[0], "not his password"),
        (BO[0], BO[1]),
        ("no address", "not her password"),
    ):
        hashed.clear()
        refused = await browser.submit("/login", page, email=email, password=password)
        answers.add((refused.status_code, refused.text.replace(f'value="{email}"', "")))
        work.add(tuple(hashed))
    assert len(answers) == 1, "one status and one page for all"
    assert len(work) == 1, "one hash of one cost for all"
    assert len(work.pop()) == 1


@pytest.mark.threat("PWD-6", off="admit.issuer.accounts.pool:BoundedPool.is_full")
async def test_a_flood_of_passwords_is_refused_and_all_else_goes_on(
    furnished_sqlite: str, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(furnished_sqlite)
    issuer = make_issuer(
        replace(settings, accounts=replace(settings.accounts, hash_threads=1, hash_queue=3)), keyring
    )
    async with issuer.lifespan():
        browser = issuer.browser()
        tokens = await browser.tokens()
        go_on = threading.Event()

        def slow(stored: str, password: bytes) -> Match:
            go_on.wait(2 * patience())
            return Match.NO

        monkeypatch.setattr(passwords, "compare", slow)
        flooder = issuer.browser()
        page = (await flooder.get("/login")).text
        tries = [
            asyncio.create_task(flooder.submit("/login", page, email=f"u{n}@example.com", password="a guess"))
            for n in range(40)
        ]
        try:
            waiting, done = set(tries), set[asyncio.Task[httpx2.Response]]()
            deadline = time.monotonic() + patience()
            while len(waiting) > 4 and time.monotonic() < deadline:
                new, waiting = await asyncio.wait(
                    waiting, timeout=patience(), return_when=asyncio.FIRST_COMPLETED
                )
                done |= new
            assert len(waiting) == 4, "as many as memory was meant for"
            for one in done:
                assert one.result().status_code == 503
                assert int(one.result().headers["retry-after"]) >= 1
            assert (await browser.refresh(tokens["refresh_token"])).status_code == 200
            assert (await browser.get("/health/ready")).status_code == 200
            assert (await browser.get("/account")).status_code == 200
        finally:
            go_on.set()
        assert {response.status_code for response in await asyncio.gather(*tries)} == {400, 503}
        for one_browser in issuer.open_browsers:
            await one_browser.aclose()


# Two name spaces


@pytest.mark.rfc("9700", "4.15")
@pytest.mark.threat("9700-clientid", off="admit.issuer.clients.rules:is_client_id")
@given(
    st.one_of(
        st.builds(new_user_id), st.sampled_from(["admit", "ADMIT", "Admit", "u_", "U_x", "u_" + "A" * 22])
    )
)
def test_no_client_can_have_the_id_of_a_user_or_of_sessions(client_id: str) -> None:
    with pytest.raises(ConfigError):
        _ = settings_for("sqlite://", client=(replace(CLIENTS[0], id=client_id),)).registry


@pytest.mark.threat("9700-clientid")
async def test_a_subject_and_the_sessions_own_id_are_no_clients(browser: Browser, issuer: LiveIssuer) -> None:
    ada = await user_id_of(issuer, ADA[0])
    tokens = await browser.tokens()
    for client_id in ("admit", "ADMIT", ada):
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        for attempt in (
            browser.post("/token", data={**form, "client_id": client_id}),
            browser.post("/token", data=form, auth=(client_id, "")),
            browser.post("/revoke", data={"token": tokens["refresh_token"], "client_id": client_id}),
        ):
            refused = await attempt
            assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        page = await browser.get(
            "/authorize", params={**request_of("spa"), "code_challenge": pkce()[1], "client_id": client_id}
        )
        assert (page.status_code, "location" in page.headers) == (400, False)
    await issuer.follow_once()
    assert (await issuer.verifier.verify(tokens["access_token"])).client_id == "spa"
    assert re.fullmatch(r"u_[A-Za-z0-9_-]{22}", ada)
