"""WEB-csrf, WEB-xsleak: every route and method of the whole issuer, as its own table has them."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest

from admit.credentials import cookies, csrf
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.audit import RequestInfo
from admit.issuer.outbox import MailConfig
from admit.issuer.storage import Keyring
from scripts.attack.tries.browsers import CHANGING as ATTACKED
from tests.fixtures.first_party import WITH_APP
from tests.fixtures.issuer import (
    ADA,
    BO,
    ISSUER,
    Browser,
    LiveIssuer,
    field_of,
    make_issuer,
    pkce,
    request_of,
    settings_for,
)
from tests.threats.whole import SESSION_COOKIE, everything, rows

pytestmark = pytest.mark.anyio
OWN, OTHERS = b"o" * 32, b"x" * 32
EVIL = "https://evil.example"

# Contracts §4: these take a state-changing method without a token of ours, and why they may.
EXEMPT: Mapping[str, str] = {
    "/authorize": "comes from other sites by its nature; changes nothing before a page of ours is answered",
    "/logout": "an ID token of the session speaks for the person; without one a page with a CSRF token asks",
    "/par": "no cookie is read; nothing is granted before a page of ours is answered",
    "/token": "no cookie is read; the grant itself is the proof",
    "/revoke": "no cookie is read; the token itself is the proof",
    "/introspect": "no cookie is read; the caller's secret is the proof",
    "/userinfo": "no cookie is read, nothing is changed",
    "/session/lookup": "no cookie is read; the resource's secret is the proof",
    "/api/login": (
        "JSON from the client's own pages, by Origin, or from no page; a session is held to the pre-session"
    ),
}
# What a GET by somebody who is signed in writes: a question that waits for its answer by POST, and that it was asked.
KEPT_BY_GET: Mapping[str, frozenset[str]] = {"/logout": frozenset({"interaction", "throttle"})}
# Of refusals an operator may ask; nobody is let in or out by what stands there.
NOTED = frozenset({"refusal"})


@dataclass
class Visitor:
    """A browser whose session and pre-session have the same 32 octets, so that one token would do for every form."""

    browser: "Jarless"
    raw: bytes = OWN

    async def __call__(
        self, method: str, route: Route, headers: Mapping[str, str], token: str | None
    ) -> httpx2.Response:
        pre = self.browser.issuer_cookies.pre_session_name
        value = cookies.encode_session_id(self.raw)
        sent = {"cookie": f"{SESSION_COOKIE}={value}; {pre}={value}", **headers}
        if token is not None:
            sent["x-csrf-token"] = token
        form: dict[str, Any] = {}
        if method not in ("GET", "HEAD", "DELETE"):
            form = {"data": {"csrf": token or ""}} if route.face is Face.PAGE else {"json": {"name": "mine"}}
        return await self.browser.request(method, route.path.replace("*", "0"), headers=sent, **form)


class Jarless(Browser):
    """Sends the cookies that a test says, and keeps none."""

    def __init__(self, issuer: LiveIssuer) -> None:
        super().__init__(issuer)
        self.issuer_cookies = issuer.app.cookies


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """An issuer with all that it can serve."""
    mail = MailConfig(url="console:", sender="Admit <no-reply@id.example>")
    made = make_issuer(replace(settings_for(furnished_sqlite, client=WITH_APP), mail=mail), keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


async def begin(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch, raw: bytes = OWN, who: Any = ADA
) -> Visitor:
    """Somebody who is signed in, under an id of our choice."""
    user = await issuer.services.accounts.find(who[0])
    assert user is not None
    with monkeypatch.context() as patch:
        patch.setattr("admit.issuer.sessions.driver.new_raw_id", lambda: raw)
        await issuer.services.sessions.start(
            user, auth_time=float(int(issuer.clock())), acr="urn:admit:acr:1fa", amr=("pwd",),
            info=RequestInfo(ip="127.0.0.1"), now=issuer.clock(), familiar=True,
        )  # fmt: skip
    browser = Jarless(issuer)
    issuer.open_browsers.append(browser)
    return Visitor(browser, raw)


def changing(issuer: LiveIssuer) -> Iterator[tuple[Route, str]]:
    """Every method that may change something."""
    for route in issuer.routes:
        for method in route.handlers:
            if method not in csrf.SAFE_METHODS:
                yield route, method


async def state(issuer: LiveIssuer) -> dict[str, Any]:
    return {name: rows for name, rows in (await everything(issuer)).items() if name not in NOTED}


async def test_the_exemptions_are_those_that_are_written_down(issuer: LiveIssuer) -> None:
    assert {route.path: route.exempt for route in issuer.routes if route.exempt is not None} == EXEMPT
    guarded = [(route.path, method) for route, method in changing(issuer) if route.exempt is None]
    assert len(guarded) >= 12, "and the table is not empty"
    assert {(method, path.replace("*", "0")) for path, method in guarded} == {*ATTACKED}, (
        "scripts.attack has all"
    )


FORGED_TOKENS = {
    "none": None,
    "empty": "",
    "of another session": csrf.token(OTHERS),
    "cut": csrf.token(OWN)[:-1],
}
FORGED_ORIGINS = (
    {"origin": EVIL},
    {"origin": "null"},
    {"origin": f"{ISSUER}.evil.example"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    {"origin": EVIL, "content-type": "text/plain"},
)


@pytest.mark.threat(
    "WEB-csrf",
    off=["admit.credentials.csrf:check_token", "admit.issuer.app.context:App.check_csrf"],
)
async def test_no_route_changes_anything_without_the_token_of_this_very_browser(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await begin(issuer, monkeypatch)
    await begin(issuer, monkeypatch, OTHERS, BO)
    before = await state(issuer)
    for route, method in changing(issuer):
        if route.exempt is None:
            for name, token in FORGED_TOKENS.items():
                refused = await visitor(method, route, {"origin": ISSUER}, token)
                assert refused.status_code == 403, (method, route.path, name)
            assert await state(issuer) == before, (method, route.path)


@pytest.mark.threat(
    "WEB-csrf",
    off=["admit.credentials.csrf:check_origin", "admit.issuer.app.context:App.check_origin"],
)
async def test_no_route_changes_anything_for_the_page_of_another_site(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await begin(issuer, monkeypatch)
    before = await state(issuer)
    for route, method in changing(issuer):
        if route.exempt is None:
            for headers in FORGED_ORIGINS:
                refused = await visitor(method, route, headers, csrf.token(OWN))
                unread = "content-type" in headers and refused.status_code == 415
                assert refused.status_code == 403 or unread, (method, route.path, headers)
            assert await state(issuer) == before, (method, route.path)


async def test_every_route_takes_the_same_request_from_our_own_page(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of both: otherwise a route that refuses everything would have passed them."""
    for number, (route, method) in enumerate(changing(issuer)):
        if route.exempt is None and not route.path.startswith(("/api/users", "/api/clients", "/api/keys")):
            visitor = await begin(issuer, monkeypatch, bytes([number]) * 32)
            own = {"origin": ISSUER, "sec-fetch-site": "same-origin"}
            taken = await visitor(method, route, own, csrf.token(visitor.raw))
            assert taken.status_code not in (401, 403), (method, route.path)


@pytest.mark.threat("WEB-csrf", off="admit.issuer.app.routes.logout:may_clear")
async def test_what_is_exempt_does_nothing_for_another_site_that_the_browser_was_not_asked_about(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await begin(issuer, monkeypatch)
    before = await state(issuer)
    navigates = {"origin": EVIL, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    for route, method in changing(issuer):
        if route.exempt is not None:
            # A browser sends another site's form without our cookie (SameSite=Lax); the answer may not set one either.
            crossed = await visitor.browser.request(
                method, route.path, headers=navigates, data={"csrf": "x", "x": "y"}
            )
            assert not any(
                value.startswith(f"{SESSION_COOKIE}=") for value in crossed.headers.get_list("set-cookie")
            ), route.path
            with_cookie = await visitor(method, route, navigates, None)
            assert with_cookie.status_code in (303, 400, 401, 403, 415), route.path
            assert await state(issuer) == before, route.path
    alive = next(route for route in issuer.routes if route.path == "/api/session")
    assert (await visitor("GET", alive, {}, None)).status_code == 200


async def test_no_get_changes_anything(issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = await begin(issuer, monkeypatch)
    override = {"x-http-method-override": "DELETE", "x-method-override": "POST"}
    before = await state(issuer)
    for route in issuer.routes:
        if "GET" in route.handlers:
            for method, headers in (("GET", {}), ("HEAD", {}), ("GET", override)):
                answer = await visitor(method, route, headers, csrf.token(OWN))
                assert answer.status_code < 500, route.path
            after = await state(issuer)
            touched = {name for name in after if after[name] != before[name]}
            assert touched <= KEPT_BY_GET.get(route.path, frozenset()), route.path
            before = after


# What another site learns


EMBEDDED = (
    {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
    {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "empty"},
    {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
    {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    {"sec-fetch-mode": "navigate", "sec-fetch-dest": "object"},
)
GONE_TO = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def told(answer: httpx2.Response) -> tuple[Any, ...]:
    """All of an answer but the id that each has of its own."""
    text = re.sub(r"[0-9a-f]{16}", "", answer.text)
    return answer.status_code, text, sorted(set(answer.headers) - {"date"})


@pytest.mark.threat("WEB-xsleak", off="admit.issuer.app.dispatch:check_fetch")
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_pages_embedded_by_another_site_say_the_same_of_everybody(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch, site: str
) -> None:
    known = await begin(issuer, monkeypatch)
    stranger = replace(known, raw=b"s" * 32)
    for route in issuer.routes:
        if route.face is Face.PAGE and "GET" in route.handlers and not route.path.startswith("/static/"):
            for how in EMBEDDED:
                answers = [
                    await who("GET", route, {"sec-fetch-site": site, **how}, None)
                    for who in (known, stranger)
                ]
                assert told(answers[0]) == told(answers[1]), (route.path, how)
                assert answers[0].status_code == 403, (route.path, how)
                assert "location" not in answers[0].headers


@pytest.mark.threat("6819-4.4.1.10", off="admit.issuer.app.dispatch:check_submitted")
@pytest.mark.parametrize("mode", ["cors", "no-cors", "same-origin", "websocket"])
async def test_no_form_is_sent_by_a_script_without_a_page_being_shown(
    issuer: LiveIssuer, browser: Browser, mode: str
) -> None:
    await browser.sign_in(BO)
    page = await browser.get("/authorize", params={**request_of("native"), "code_challenge": pkce()[1]})
    page = await browser.get(page.headers["location"])
    form = {name: field_of(page.text, name) for name in ("csrf", "i", "shown")} | {"decision": "allow"}
    own = {"origin": ISSUER, "sec-fetch-site": "same-origin"}
    answer = await browser.post("/consent", data=form, headers={**own, "sec-fetch-mode": mode})
    assert (answer.status_code, "location" in answer.headers) == (403, False)
    assert await rows(issuer, "authorization_code") == []
    answer = await browser.post("/consent", data=form, headers={**own, "sec-fetch-mode": "navigate"})
    assert "code=" in answer.headers["location"]


async def test_people_who_come_from_another_site_find_the_page(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await begin(issuer, monkeypatch)
    account = next(route for route in issuer.routes if route.path == "/account")
    for headers in (
        {"sec-fetch-site": "cross-site", **GONE_TO},
        {"sec-fetch-site": "same-site", **GONE_TO},
        {"sec-fetch-site": "none", **GONE_TO},
        {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
        {},
    ):
        assert (await known("GET", account, headers, None)).status_code == 200, headers


@pytest.mark.threat("WEB-xsleak", off="admit.issuer.app.headers:isolation")
async def test_no_other_origin_may_read_a_page_or_keep_a_hold_of_an_account_pages_window(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await begin(issuer, monkeypatch)
    for route in issuer.routes:
        if "GET" in route.handlers and not route.path.startswith(
            ("/.well-known", "/jwks", "/static", "/status")
        ):
            answer = await known("GET", route, {}, None)
            assert answer.headers.get("cross-origin-resource-policy") == "same-origin", route.path
            if route.path.startswith("/account"):
                assert answer.headers.get("cross-origin-opener-policy") == "same-origin", route.path
