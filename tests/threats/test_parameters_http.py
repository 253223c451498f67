"""WEB-params: each parameter of the authorization server's endpoints, left out, empty, doubled, too long, with a
control character, and in the wrong place. The table says what is needed; all the rest follows from where it is sent.

Whatever was wrong, nothing is lost by it: the request as it should be is taken afterwards.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx2
import pytest

from admit.issuer.clients.config import RegistrationConfig
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import (
    API,
    API_SECRET,
    SPA,
    WEB_SECRET,
    Browser,
    LiveIssuer,
    make_issuer,
    pkce,
    request_of,
    settings_for,
)

pytestmark = pytest.mark.anyio

Pairs = list[tuple[str, str]]
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
INVALID: Final = "400 invalid_request"
BY_PAGE: Final = "400 page"
TOO_LONG: Final = "x" * 8_193
HARMS: Final = 7


@dataclass(frozen=True)
class Endpoint:
    """`good` makes the parameters of a request that is answered by `taken`; `spends`: it is good once.

    `needed`: what leaving one out comes to; the others are optional. `refused`: any that cannot be read. `doubled`:
    where one that occurs twice is told otherwise. `strict`: nothing is read, and nothing may stand, in the address.
    """

    path: str
    good: Callable[[Browser], Awaitable[dict[str, str]]]
    taken: str
    needed: Mapping[str, str]
    refused: str = INVALID
    doubled: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    strict: bool = True
    spends: bool = False
    auth: tuple[str, str] | None = None
    others: Mapping[str, str] = field(default_factory=dict)


async def of_code(browser: Browser) -> dict[str, str]:
    code, verifier = await browser.code()
    return {
        "grant_type": "authorization_code", "client_id": "spa", "code": code, "redirect_uri": f"{SPA}/cb",
        "code_verifier": verifier,
    }  # fmt: skip


async def of_refresh(browser: Browser) -> dict[str, str]:
    token = (await browser.tokens())["refresh_token"]
    return {"grant_type": "refresh_token", "client_id": "spa", "refresh_token": token, "scope": "openid"}


async def of_machine(browser: Browser) -> dict[str, str]:
    return {
        "grant_type": "authorization_code", "client_id": "web", "client_secret": WEB_SECRET, "code": "unknown",
        "redirect_uri": f"{SPA}/web",
    }  # fmt: skip


async def of_authorize(browser: Browser) -> dict[str, str]:
    return {
        **request_of("spa"), "code_challenge": pkce()[1], "response_mode": "query", "max_age": "3600", "resource": API,
        "prompt": "none", "login_hint": "ada@example.com", "ui_locales": "en", "acr_values": "urn:admit:acr:1fa",
        "display": "page", "claims": "{}",
    }  # fmt: skip


async def of_introspect(browser: Browser) -> dict[str, str]:
    return {"token": (await browser.tokens())["access_token"], "token_type_hint": "access_token"}


async def of_revoke(browser: Browser) -> dict[str, str]:
    token = (await browser.tokens())["refresh_token"]
    return {"token": token, "token_type_hint": "refresh_token", "client_id": "spa"}


async def of_userinfo(browser: Browser) -> dict[str, str]:
    return {"access_token": (await browser.tokens())["access_token"]}


async def of_logout(browser: Browser) -> dict[str, str]:
    return {
        "id_token_hint": (await browser.tokens())["id_token"], "client_id": "spa", "state": "s", "ui_locales": "en",
        "post_logout_redirect_uri": f"{SPA}/bye",
    }  # fmt: skip


AUTHORIZE: Final = ("response_type", "code_challenge", "code_challenge_method")
TO_CLIENT: Final = "303 invalid_request"
TOLD_CLIENT: Final = (
    *AUTHORIZE, "scope", "state", "nonce", "response_mode", "max_age", "prompt", "login_hint", "ui_locales",
    "acr_values", "display", "claims",
)  # fmt: skip
PAGE_FOR: Final = {"client_id": BY_PAGE, "redirect_uri": BY_PAGE}
GRANT: Final = {"grant_type": INVALID, "client_id": "401 invalid_client"}
ENDPOINTS: Final = {
    "a code": Endpoint(
        "/token", of_code, "200", {**GRANT, "code": INVALID, "code_verifier": "400 invalid_grant"}, spends=True
    ),
    "a refresh": Endpoint("/token", of_refresh, "200", {**GRANT, "refresh_token": INVALID}, spends=True),
    # That the code is unknown is looked at last: this tells that the client was let in.
    "a secret": Endpoint(
        "/token", of_machine, "400 invalid_grant",
        {**GRANT, "client_secret": "401 invalid_client", "code": INVALID},
    ),
    "authorize": Endpoint(
        "/authorize", of_authorize, "303 code", {**dict.fromkeys(AUTHORIZE, TO_CLIENT), **PAGE_FOR},
        refused=BY_PAGE, method="GET", strict=False,
        doubled=dict.fromkeys(TOLD_CLIENT, TO_CLIENT) | {"resource": "303 invalid_target"},
    ),
    "authorize by POST": Endpoint(
        "/authorize", of_authorize, "303 /authorize", {}, refused=BY_PAGE, strict=False,
        doubled=dict.fromkeys((*TOLD_CLIENT, *PAGE_FOR, "resource"), "303 /authorize"),  # and judged there
    ),
    "par": Endpoint(
        "/par", of_authorize, "201",
        {**dict.fromkeys((*AUTHORIZE, "redirect_uri"), INVALID), "client_id": "401 invalid_client"},
        doubled={"resource": "400 invalid_target"},
    ),
    "introspect": Endpoint(
        "/introspect", of_introspect, "200", {"token": INVALID}, auth=(quote(API, safe=""), API_SECRET)
    ),
    "revoke": Endpoint("/revoke", of_revoke, "200", {"token": INVALID, "client_id": "401 invalid_client"}, spends=True),
    "userinfo": Endpoint(
        "/userinfo", of_userinfo, "200", {"access_token": "401 unauthorized"},
        # A token has its own bound, and one beyond it is no token; an empty one was sent all the same.
        others={"access_token too long": "401 invalid_token", "access_token empty": INVALID},
    ),
    "logout by POST": Endpoint("/logout", of_logout, "303 /logout", {}, refused=BY_PAGE, strict=False),
    # With nobody signed in, so that nobody signs in again for each. A page shows the way back where nobody proves it.
    "logout": Endpoint(
        "/logout", of_logout, "303", {"id_token_hint": "200 page", "post_logout_redirect_uri": "200 page"},
        refused=BY_PAGE, method="GET", strict=False,
    ),
}  # fmt: skip


FOR_CLIENTS: Final = ("/token", "/par", "/introspect", "/revoke")
IN_BODY: Final = pytest.mark.threat("WEB-params", off="admit.issuer.app.routes.token:refuse_query")


def harms(endpoint: Endpoint, form: dict[str, str], name: str) -> Iterator[tuple[str, Pairs, Pairs, str]]:
    """Each thing that can be wrong with a parameter: its name, what is sent, what is sent in the wrong place, and what
    that comes to.
    """
    rest, value = [pair for pair in form.items() if pair[0] != name], form[name]
    without = endpoint.needed.get(name, endpoint.taken)
    yield "left out", rest, [], without
    yield "empty", [*rest, (name, "")], [], without
    yield "doubled", [*rest, (name, value), (name, value)], [], endpoint.doubled.get(name, endpoint.refused)
    yield "too long", [*rest, (name, value + TOO_LONG)], [], endpoint.refused
    yield "with a control character", [*rest, (name, value + "\x00")], [], endpoint.refused
    yield "in the wrong place", rest, [(name, value)], endpoint.refused if endpoint.strict else without
    both = endpoint.refused if endpoint.strict else endpoint.taken
    yield "in both places", [*rest, (name, value)], [(name, value)], both


def outcome(reply: httpx2.Response) -> str:
    """Its status, and the code of an error, where it leads to, or that it is a page."""
    told = ""
    location = reply.headers.get("location")
    if location is not None:
        parts = urlsplit(location)
        query = dict(parse_qsl(parts.query))
        told = query.get("error", "code" if "code" in query else "") if parts.netloc else parts.path
    elif reply.status_code >= 400 and reply.headers["content-type"].startswith("application/json"):
        told = reply.json()["error"]
    elif reply.content and reply.headers["content-type"].startswith("text/html"):
        told = "page"
    return f"{reply.status_code} {told}".strip()


async def send(endpoint: Endpoint, browser: Browser, pairs: Pairs, elsewhere: Pairs) -> str:
    body, query = (elsewhere, pairs) if endpoint.method == "GET" else (pairs, elsewhere)
    path = endpoint.path + (f"?{urlencode(query)}" if query else "")
    reply = await browser.request(
        endpoint.method, path, content=urlencode(body).encode(), auth=endpoint.auth, headers=FORM
    )
    return outcome(reply)


@pytest.mark.rfc("6749", "3.1")
@pytest.mark.rfc("6749", "3.2")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=IN_BODY) if one.path in FOR_CLIENTS else name
        for name, one in ENDPOINTS.items()
    ],
)
async def test_each_parameter_that_is_wrong_is_refused_and_nothing_is_lost_by_it(
    issuer: LiveIssuer, browser: Browser, name: str
) -> None:
    endpoint = ENDPOINTS[name]
    await browser.sign_in()
    form = await endpoint.good(browser)
    if endpoint.path == "/logout":
        browser = issuer.browser()
    for parameter in form:
        for number in range(HARMS):
            what, pairs, elsewhere, comes_to = list(harms(endpoint, form, parameter))[number]
            expected = endpoint.others.get(f"{parameter} {what}", comes_to)
            assert await send(endpoint, browser, pairs, elsewhere) == expected, (parameter, what)
            if endpoint.spends and expected in (endpoint.taken, "400 invalid_grant"):
                form = await endpoint.good(browser)
    assert await send(endpoint, browser, list(form.items()), []) == endpoint.taken


METADATA: Final[dict[str, Any]] = {
    "redirect_uris": ["https://app.example/cb"], "client_name": "An application", "scope": "openid",
    "grant_types": ["authorization_code"], "response_types": ["code"], "token_endpoint_auth_method": "none",
    "application_type": "web", "contacts": ["ada@app.example"], "client_uri": "https://app.example/",
}  # fmt: skip


@pytest.mark.rfc("7591", "3.2.2")
@pytest.mark.threat("WEB-params")
async def test_each_member_of_a_registration_that_is_wrong_is_refused_and_registers_nobody(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    config = RegistrationConfig(enabled=True, open=True, per_network=1_000)
    issuer = make_issuer(settings_for(furnished_sqlite, registration=config), keyring)
    async with issuer.lifespan():
        browser = issuer.browser()

        async def register(body: str, path: str = "/clients", **headers: str) -> str:
            kind = {"content-type": "application/json", **headers}
            return outcome(await browser.post(path, content=body.encode(), headers=kind))

        for name, value in METADATA.items():
            rest = {key: one for key, one in METADATA.items() if key != name}
            doubled = f'{json.dumps(METADATA)[:-1]}, "{name}": {json.dumps(value)}}}'
            long = value + "x" * 70_000 if isinstance(value, str) else value * 20_000
            needed = name == "redirect_uris"
            code = "invalid_redirect_uri" if needed else "invalid_client_metadata"
            assert await register(json.dumps(rest)) == ("400 invalid_redirect_uri" if needed else "201"), name
            assert await register(doubled) == "400 invalid_client_metadata", name
            assert (await register(json.dumps({**rest, name: long}))).split()[0] in ("400", "413"), name
            for wrong in (1, {"a": 1}, [1], f"{'control' if name == 'client_name' else ''}\x00"):
                assert await register(json.dumps({**rest, name: wrong})) in (
                    f"400 {code}", "400 invalid_client_metadata",
                ), (name, wrong)  # fmt: skip
            # What stands in the address is not read.
            query = urlencode({name: json.dumps(value)})
            assert await register(json.dumps(rest), f"/clients?{query}") == (
                "400 invalid_redirect_uri" if needed else "201"
            ), name
        assert await register(urlencode({"client_name": "x"}), **FORM) == "400 invalid_client_metadata"
        assert await register(json.dumps(METADATA)) == "201"
        for one in issuer.open_browsers:
            await one.aclose()
