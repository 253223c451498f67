"""Good requests of every kind to a whole issuer: each page's own forms, each address with its query, each operation.

A scene plays what comes before, as a person and a browser of its own, and gives the requests that are possible then. It
can be played again when one of them was answered well, and is spent.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

import pyotp

from admit.issuer.app.api.shapes import SCHEMAS
from admit.issuer.audit import RequestInfo
from tests.fixtures.first_party import APP, Caller
from tests.fixtures.issuer import (
    API,
    API_SECRET,
    ISSUER,
    SPA,
    WEB_SECRET,
    Browser,
    LiveIssuer,
    pkce,
    request_of,
)
from tests.fixtures.mail import MailServer, deliver, path_in, text_of
from tests.fixtures.second_factor import Phone, secret_on, with_app
from tests.threats.hostile import Ask, Headers, ask_of, asks_of

PASSWORD: Final = "a fresh pass sentence 7"
Who = tuple[str, str, str, tuple[str, ...]]


@dataclass
class Stage:
    """A running issuer whose mails are sent when a scene asks for one."""

    issuer: LiveIssuer
    mails: MailServer
    people: int = 0
    known: dict[str, Any] = field(default_factory=dict)
    """Whom a scene that is played often has already."""

    async def person(self, *roles: str) -> Who:
        self.people += 1
        who = (f"person{self.people}@example.com", PASSWORD, f"Person {self.people}", roles)
        await self.issuer.services.accounts.add(
            email=who[0], name=who[2], password=who[1], roles=roles, info=RequestInfo(), now=self.issuer.clock()
        )  # fmt: skip
        return who

    async def signed_in(self, *roles: str) -> tuple[Browser, Who]:
        browser, who = self.issuer.browser(), await self.person(*roles)
        await browser.sign_in(who)
        return browser, who

    async def with_app(self) -> tuple[Phone, Who]:
        who = await self.person()
        return await with_app(self.issuer, who[0]), who

    async def link(self, path: str, address: str) -> str:
        """The link of the mail that was sent last to somebody."""
        self.mails.forget()
        while await deliver(self.issuer):  # all that waits
            pass
        return path_in([mail for mail in self.mails.to(address) if path in text_of(mail)][-1])


def cookies_of(browser: Browser) -> Headers:
    jar = "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)
    return ((b"cookie", jar.encode()), (b"origin", ISSUER.encode()))


def asking(client: str = "spa", **more: str) -> dict[str, str]:
    return {**request_of(client), "code_challenge": pkce()[1], **more}


async def page(browser: Browser, location: str, **fill: str) -> list[Ask]:
    """A page and its forms."""
    shown = await browser.get(location)
    assert shown.status_code == 200, (location, shown.status_code, shown.text)
    return [
        *asks_of(shown.text, fill, cookies_of(browser)),
        ask_of(location, cookies_of(browser)),
    ]


async def at_login(stage: Stage) -> list[Ask]:
    who, browser = await stage.person(), stage.issuer.browser()
    begun = await browser.get("/authorize", params=asking())
    return await page(browser, begun.headers["location"], email=who[0], password=who[1])


async def at_login_again(stage: Stage) -> list[Ask]:
    browser, who = await stage.signed_in()
    return await page(browser, "/login?again=1&next=second-factor", email=who[0], password=who[1])


async def at_signup(stage: Stage) -> list[Ask]:
    browser = stage.issuer.browser()
    await browser.get("/authorize", params=asking())
    stage.people += 1
    fill = {"name": "New", "email": f"new{stage.people}@example.com", "password": PASSWORD}
    return await page(browser, "/signup", **fill)


async def at_consent(stage: Stage) -> list[Ask]:
    browser = stage.issuer.browser()
    asked = await browser.sign_in(await stage.person(), **asking("native"))
    return await page(browser, asked.headers["location"])


async def at_logout(stage: Stage) -> list[Ask]:
    browser, _ = await stage.signed_in()
    return await page(
        browser, f"/logout?client_id=spa&state=s&post_logout_redirect_uri={quote(f'{SPA}/bye')}"
    )


async def at_logout_with_a_hint(stage: Stage) -> list[Ask]:
    browser, who = await stage.signed_in()
    tokens = await browser.tokens(who)
    fields = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": f"{SPA}/bye", "state": "s"}
    return [
        Ask("GET /logout, hint", "GET", "/logout", "query", fields, cookies_of(browser)),
        Ask("POST /logout, hint", "POST", "/logout", "form", fields, cookies_of(browser)),
    ]


async def at_account(stage: Stage) -> list[Ask]:
    browser, who = await stage.signed_in()
    await browser.tokens(who)
    stranger = stage.issuer.browser("198.51.100.7")
    await stranger.sign_in(who)
    asks = await page(browser, "/account?done=named", name="Laptop")
    return list({ask.name: ask for ask in asks}.values())


async def at_password(stage: Stage) -> list[Ask]:
    browser, who = await stage.signed_in()
    return await page(
        browser, "/account/password", current_password=who[1], new_password="another fresh pass sentence 8"
    )


async def at_email(stage: Stage) -> list[Ask]:
    browser, _ = await stage.signed_in()
    return await page(browser, "/account/email?done=link", email=f"other{stage.people}@example.com")


async def at_forgot(stage: Stage) -> list[Ask]:
    return await page(stage.issuer.browser(), "/forgot", email=(await stage.person())[0])


async def at_reset(stage: Stage) -> list[Ask]:
    browser = stage.issuer.browser()
    (form, _) = await at_forgot(stage)
    await form.good()(stage.issuer.asgi)
    return await page(
        browser, await stage.link("/reset?t=", form.fields["email"]), password="another fresh pass sentence 8"
    )


async def at_verify(stage: Stage) -> list[Ask]:
    browser, who = await stage.signed_in()
    (resend, *_) = await page(browser, "/account/email")
    await resend.good()(stage.issuer.asgi)
    link = await stage.link("/verify?t=", who[0])
    own = await page(browser, link)
    others = await page(stage.issuer.browser(), link, password=who[1])
    return [*(replace(ask, name=f"{ask.name}, signed in") for ask in own), *others]


async def at_second_factors(stage: Stage) -> list[Ask]:
    browser, _ = await stage.signed_in()
    (add, *_) = asks = await page(browser, "/account/second-factor?done=added")
    begun = await browser.post(add.path, data=dict(add.fields), headers={"origin": ISSUER})
    return [*asks, *await adding(stage, browser, begun.headers["location"])]


async def at_second_factors_with_one(stage: Stage) -> list[Ask]:
    phone, who = await stage.with_app()
    browser = stage.issuer.browser()
    asks = await at_code(stage, browser, phone, who)
    await browser.post("/login/second-factor", data=dict(asks[0].fields), headers={"origin": ISSUER})
    return [replace(ask, name=f"{ask.name}, one") for ask in await page(browser, "/account/second-factor")]


async def at_code(
    stage: Stage, browser: Browser | None = None, phone: Phone | None = None, who: Who | None = None
) -> list[Ask]:
    browser = browser or stage.issuer.browser()
    if phone is None or who is None:
        phone, who = await stage.with_app()
    wants = await browser.sign_in(who)
    return await page(browser, wants.headers["location"], code=phone.code(stage.issuer.clock()))


async def at_recovery_code(stage: Stage) -> list[Ask]:
    phone, who = await stage.with_app()
    browser = stage.issuer.browser()
    wants = await browser.sign_in(who)
    asks = await page(browser, wants.headers["location"] + "&way=recovery", code=phone.recovery_codes[0])
    return [replace(ask, name=f"{ask.name}, recovery") for ask in asks]


async def at_app_first(stage: Stage) -> list[Ask]:
    browser = stage.issuer.browser()
    wants = await browser.sign_in(await stage.person(), **asking(acr_values="urn:admit:acr:2fa"))
    return await adding(stage, browser, wants.headers["location"])


async def adding(stage: Stage, browser: Browser, location: str) -> list[Ask]:
    """The page that adds an app, with a code of it."""
    secret = secret_on((await browser.get(location)).text)
    code = pyotp.TOTP(secret).at(datetime.fromtimestamp(stage.issuer.clock()))
    return await page(browser, location, name="Phone", code=code)


async def at_authorize(stage: Stage) -> list[Ask]:
    browser, who = await stage.signed_in()
    hint = (await browser.tokens(who))["id_token"]
    fields = asking(
        prompt="none", max_age="9", id_token_hint=hint, login_hint=who[0], ui_locales="en", resource=API,
        response_mode="form_post", claims='{"userinfo":{"name":null}}', display="page", acr_values="x",
    )  # fmt: skip
    pushed = (await browser.post("/par", data=asking(response_mode="form_post"))).json()["request_uri"]
    by_reference = {"client_id": "spa", "request_uri": pushed}
    chooser, _ = await stage.signed_in()
    choosing = asking(prompt="select_account")
    chosen = (await chooser.get("/authorize", params=choosing)).headers["location"]
    return [
        Ask("GET /authorize", "GET", "/authorize", "query", fields, cookies_of(browser)),
        Ask("POST /authorize", "POST", "/authorize", "form", fields, cookies_of(browser)),
        Ask("GET /authorize, pushed", "GET", "/authorize", "query", by_reference, cookies_of(browser)),
        Ask("POST /par", "POST", "/par", "form", fields),
        *(await page(chooser, chosen)),
        ask_of("/login/second-factor/done?x=x", cookies_of(browser)),
        ask_of("/?done=x", cookies_of(browser)),
    ]


async def at_token(stage: Stage) -> list[Ask]:
    browser, who = await stage.signed_in()
    code, verifier = await browser.code(who)
    redirect_uri = request_of("spa")["redirect_uri"]
    web_code, web_verifier = await browser.code(who, "web")
    tokens = await browser.tokens(who)
    secret = {
        "client_id": "web",
        "client_secret": WEB_SECRET,
        "redirect_uri": request_of("web")["redirect_uri"],
    }
    forms: dict[str, dict[str, str]] = {
        "/token, code": {
            "grant_type": "authorization_code", "client_id": "spa", "code": code, "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        },
        "/token, secret": {
            "grant_type": "authorization_code", "code": web_code, "code_verifier": web_verifier, **secret,
        },
        "/token, refresh": {
            "grant_type": "refresh_token", "client_id": "spa", "refresh_token": tokens["refresh_token"],
            "scope": "openid", "resource": API,
        },
        "/revoke": {"token": tokens["refresh_token"], "client_id": "spa", "token_type_hint": "refresh_token"},
    }  # fmt: skip
    bearer = ((b"authorization", f"Bearer {tokens['access_token']}".encode()),)
    return [
        *(Ask(f"POST {name}", "POST", name.partition(",")[0], "form", one) for name, one in forms.items()),
        Ask("GET /userinfo", "GET", "/userinfo", "query", {}, bearer),
        Ask("POST /userinfo", "POST", "/userinfo", "form", {}, bearer),
    ]


async def at_programs(stage: Stage) -> list[Ask]:
    basic = Browser(stage.issuer)
    stage.issuer.open_browsers.append(basic)
    sent = basic.build_request("POST", "/session/lookup")
    flow = next(iter(basic._build_request_auth(sent, (quote(API, safe=""), API_SECRET)).sync_auth_flow(sent)))
    known = ((b"authorization", flow.headers["authorization"].encode()),)
    return [
        Ask("POST /session/lookup", "POST", "/session/lookup", "json", {"id_hash": "A" * 43}, known),
        Ask("POST /introspect", "POST", "/introspect", "form", {"token": "x", "token_type_hint": "x"}, known),
        ask_of("/status/head?nonce=0123456789abcdef", ()),
        ask_of("/status/events?from=0", ()),
        ask_of("/status?x=0", ()),
        ask_of("/.well-known/openid-configuration?x=0", ()),
        ask_of("/.well-known/oauth-authorization-server?x=0", ()),
        Ask("GET /status/*", "GET", "/status/*", "path", {"n": "0"}),
        Ask("GET static", "GET", _static(stage), "path", {"file": "admit.css"}),
    ]


def _static(stage: Stage) -> str:
    return next(route.path for route in stage.issuer.routes if route.path.startswith("/static/"))


async def at_api(stage: Stage) -> list[Ask]:
    """What is described, as it is described."""
    issuer = stage.issuer
    browser, who = await stage.signed_in("admit:admin")
    await browser.tokens(who)
    other = issuer.browser()
    await other.sign_in(who)
    told = (await browser.get("/api/session")).json()
    grants = (await browser.get("/api/grants")).json()["grants"]
    good = {
        "/api/sessions/*": (await other.get("/api/session")).json()["sid"],
        "/api/grants/*": grants[0]["id"],
        "/api/consents/*": "spa",
        "/api/users/*/sessions": told["sub"],
        "/api/clients/*/grants": "spa",
        "/api/keys/*": "none",
        "/api/second-factors/*": "none",
    }
    headers = (*cookies_of(browser), (b"x-csrf-token", told["csrf_token"].encode()))
    asks: list[Ask] = []
    for route in issuer.routes:
        for method, described in route.told.items():
            path = route.path.replace("*", good[route.path]) if route.value else route.path
            flags = dict.fromkeys(described.flags, "false")
            if described.takes is not None and "oneOf" in SCHEMAS[described.takes]:
                continue  # steps, each with a scene of its own
            if described.takes is None:
                asks.append(Ask(f"{method} {route.path}?", method, path, "query", flags, headers))
            else:
                for name, shape in SCHEMAS[described.takes]["properties"].items():
                    null = "null" in shape["type"]
                    told = f"{method} {route.path} {name}"
                    asks.append(Ask(told, method, path, "json", {name: "Laptop"}, headers, null=null))
            if route.value:
                kind = ((b"content-type", b"application/json"),) if described.takes else ()
                body = b'{"name": "Laptop"}' if described.takes else b""
                place = {route.value: good[route.path]}
                asks.append(
                    Ask(
                        f"{method} {route.path}",
                        method,
                        route.path,
                        "path",
                        place,
                        (*headers, *kind),
                        body=body,
                    )
                )
    return asks


def login_step(step: str, flow: str, **fields: str) -> Ask:
    members = {"client_id": APP.id, "flow": flow, "step": step, **fields}
    return Ask(f"POST /api/login, {step}", "POST", "/api/login", "json", members)


async def at_api_login(stage: Stage) -> list[Ask]:
    """The steps of a sign-in by JSON up to the password."""
    app = Caller(stage.issuer)
    asked = {
        "code_challenge": pkce()[1], "code_challenge_method": "S256", "scope": "openid", "resource": API, "nonce": "n",
        "acr_values": "urn:admit:acr:1fa",
    }  # fmt: skip
    flow = (await app.begin())[0].json()["flow"]
    who = stage.known.get("password") or await stage.person()
    stage.known["password"] = who
    return [
        Ask("POST /api/login, begin", "POST", "/api/login", "json", {"client_id": APP.id, **asked}),
        login_step("password", flow, username=who[0], password=who[1], device="A" * 43),
    ]


async def waiting(stage: Stage) -> tuple[str, Phone]:
    """A sign-in by JSON whose password was right. Somebody else's after so many: codes of one person are counted."""
    turn = stage.known["turn"] = stage.known.get("turn", -1) + 1
    if turn % 8 == 0:
        stage.known["phone"] = await stage.with_app()
    phone, who = stage.known["phone"]
    begun = await Caller(stage.issuer).after_password(who)
    return begun[0].json()["flow"], phone


async def at_api_login_code(stage: Stage) -> list[Ask]:
    """The second factor of one."""
    flow, phone = await waiting(stage)
    return [login_step("totp", flow, code=phone.code(stage.issuer.clock()))]


async def at_api_login_recovery(stage: Stage) -> list[Ask]:
    """The same by a recovery code."""
    flow, phone = await waiting(stage)
    return [login_step("recovery_code", flow, code=phone.recovery_codes.pop())]


async def at_own_login(stage: Stage) -> list[Ask]:
    """Where the application has a sign-in page of its own, which said who it was."""
    browser, issuer = stage.issuer.browser(), stage.issuer
    who = stage.known.get("own") or await stage.person()
    stage.known["own"] = who
    user = await issuer.services.accounts.find(who[0])
    assert user is not None
    away = (await browser.get("/login?next=second-factor&again=1")).headers["location"]
    done = await issuer.interactions.finish(dict(parse_qsl(urlsplit(away).query))["i"], user.id)
    return [
        ask_of("/login?next=second-factor&again=1", ()),
        ask_of(done.removeprefix(ISSUER), cookies_of(browser)),
    ]


Scene = Callable[[Stage], Awaitable[list[Ask]]]
SCENES: tuple[Scene, ...] = (
    at_login, at_login_again, at_signup, at_consent, at_logout, at_logout_with_a_hint, at_account, at_password,
    at_email, at_forgot, at_reset, at_verify, at_second_factors, at_second_factors_with_one, at_code,
    at_recovery_code, at_app_first, at_authorize, at_token, at_programs, at_api,
    at_api_login, at_api_login_code, at_api_login_recovery,
)  # fmt: skip
# Of an issuer with a `login_url`.
ELSEWHERE: tuple[Scene, ...] = (at_own_login,)
# A good request that is refused all the same: there is nothing that it could end.
MISSES = frozenset({"/api/keys/*", "/api/second-factors/*", "/session/lookup"})
