"""O-2: no secret is found where it does not belong. Real ones are used in every flow, then searched everywhere."""

import base64
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

import httpx2
import pytest

from admit.credentials import cookies, csrf
from admit.jose import json as strict_json
from tests.fixtures.issuer import (
    API,
    API_SECRET,
    WEB_SECRET,
    Browser,
    LiveIssuer,
    pkce,
    request_of,
)
from tests.threats.whole import SESSION_COOKIE, Heard, database_files

pytestmark = pytest.mark.anyio


@dataclass
class Secrets:
    """What was used, by kind; each in its text and, where it has any, its octets."""

    texts: dict[str, set[str]] = field(default_factory=dict)

    def add(self, kind: str, *values: str | None) -> None:
        self.texts.setdefault(kind, set()).update(value for value in values if value)

    def forms(self, *but: str) -> Iterable[tuple[str, bytes]]:
        """Every secret in each form that somebody could have written it in."""
        for kind, values in self.texts.items():
            if kind in but:
                continue
            for value in values:
                text = value.encode()
                yield kind, text
                yield kind, base64.b64encode(text).rstrip(b"=")
                if kind in ("cookie", "csrf", "code", "private key"):
                    octets = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
                    yield kind, octets
                    yield kind, octets.hex().encode()


def assert_absent(secrets: Secrets, haystack: bytes, where: str, *but: str) -> None:
    for kind, needle in secrets.forms(*but):
        assert needle not in haystack, f"a {kind} is in {where}"


TOKENS = ("access_token", "refresh_token", "id_token")
PASSWORD = "canary password 4f0c"
WRONG = "canary typed wrong 91bd"
SLIP = "canary typed into the wrong field 27ae"


def raw_of(browser: Browser, name: str) -> str:
    """The value of a cookie."""
    return str(browser.cookies[name])


async def use_everything(issuer: LiveIssuer, heard: Heard) -> Secrets:
    """All flows, right and wrong, of a person and three clients."""
    secrets = Secrets()
    pre_session = issuer.app.cookies.pre_session_name
    browser = heard.listen(issuer.browser())

    def note_cookies() -> None:
        for name, kind in ((SESSION_COOKIE, "cookie"), (pre_session, "cookie")):
            if name in browser.cookies:
                raw = cookies.decode_session_id(raw_of(browser, name).encode())
                secrets.add(kind, raw_of(browser, name))
                secrets.add("csrf", csrf.token(raw))

    secrets.add("password", PASSWORD, WRONG)
    secrets.add("slip", SLIP)
    secrets.add("client secret", WEB_SECRET)
    secrets.add("resource secret", API_SECRET)

    page = await browser.get("/signup")
    form = {"email": "canary@example.com", "name": "Canary"}
    note_cookies()
    await browser.submit("/signup", page.text, **form, password="short")
    await browser.submit("/signup", page.text, **form, password=PASSWORD)
    note_cookies()
    page = await browser.get("/logout")
    await browser.submit("/logout", page.text)
    page = await browser.get("/login")
    note_cookies()
    await browser.submit("/login", page.text, email="canary@example.com", password=WRONG)
    await browser.submit("/login", page.text, email=SLIP, password=WRONG)
    await browser.post("/login", data={"email": "canary@example.com", "password": PASSWORD})
    who = ("canary@example.com", PASSWORD, "Canary", ())
    for client in ("spa", "native", "web"):
        code, verifier = await browser.code(who, client)
        note_cookies()
        secrets.add("code", code)
        secrets.add("verifier", verifier)
        tokens = (await browser.redeem(code, verifier, client)).json()
        secrets.add("token", tokens["access_token"], tokens["refresh_token"], tokens["id_token"])
        refreshed = await browser.refresh(tokens["refresh_token"], client)
        secrets.add("token", *(refreshed.json().get(name) for name in TOKENS))
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        await browser.get("/userinfo", headers=headers)
        await browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}x"})
        await browser.redeem(code, verifier, client)
        await browser.refresh(tokens["refresh_token"], "web" if client == "spa" else "spa")
        await browser.post(f"/token?code={code}", data={"code": code, "client_id": client})
        await browser.get(f"/{tokens['refresh_token']}")
        await browser.get("/userinfo", params={"access_token": tokens["access_token"]})
        await browser.post("/token", content=tokens["refresh_token"].encode())
        await browser.post("/revoke", data={"token": tokens["refresh_token"], "client_id": client})
    unspent, verifier = await browser.code(who)
    secrets.add("code", unspent)
    secrets.add("verifier", verifier)
    for secret in (API_SECRET, WEB_SECRET):
        id_hash = base64.urlsafe_b64encode(cookies.id_hash(cookies.decode_session_id(
            raw_of(browser, SESSION_COOKIE).encode()))).rstrip(b"=").decode()  # fmt: skip
        await browser.post("/session/lookup", json={"id_hash": id_hash}, auth=(quote(API, safe=""), secret))
    await browser.post("/token", data={"grant_type": "x"}, auth=("web", WEB_SECRET + "x"))
    await browser.post("/token", data={"grant_type": WRONG}, auth=("web", WEB_SECRET))
    page = await browser.get("/account")
    note_cookies()
    await browser.submit("/account", page.text, do="end", session=raw_of(browser, SESSION_COOKIE))
    await browser.get("/api/session")
    await browser.get("/authorize", params={**request_of("spa"), "code_challenge": pkce()[1], "prompt": "x"})
    await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    for purpose, alg in (("token", "ES256"), ("token", "RS256"), ("status", "ES256")):
        key = issuer.keys.snapshot.signer(purpose, alg)  # type: ignore[arg-type]  # a literal, by a variable
        secrets.add("private key", str(strict_json.loads_object(key.to_private_bytes())["d"]))
    return secrets


@pytest.mark.threat("O-2", off="admit.issuer.sessions.rules:hash_id")
@pytest.mark.threat("O-2", off="admit.issuer.grants.codes:hash_code")
@pytest.mark.threat("O-2", off=["admit.issuer.keys.service:seal", "admit.issuer.keys.service:unseal"])
@pytest.mark.threat("SES-2", off="admit.issuer.sessions.rules:hash_id")
@pytest.mark.threat("6819-4.4.1.2", off="admit.issuer.grants.codes:hash_code")
@pytest.mark.threat("INF-keys", off=["admit.issuer.keys.service:seal", "admit.issuer.keys.service:unseal"])
async def test_no_secret_is_in_any_byte_of_the_database(issuer: LiveIssuer) -> None:
    secrets = await use_everything(issuer, Heard())
    assert {"password", "cookie", "csrf", "code", "token", "private key"} <= secrets.texts.keys()
    for file in database_files(issuer):
        assert_absent(secrets, file.read_bytes(), file.suffix)


@pytest.mark.threat("6819-4.5.1")
@pytest.mark.threat("O-2")
async def test_no_secret_is_in_a_reply_but_in_its_own_place(issuer: LiveIssuer) -> None:
    heard = Heard()
    secrets = await use_everything(issuer, heard)
    assert len(heard.responses) > 50
    for response in heard.responses:
        where = f"{response.request.method} {response.request.url.path} → {response.status_code}"
        bare = [(name, value) for name, value in response.headers.multi_items() if name != "set-cookie"]
        location = response.headers.get("location", "")
        own_place = "code" if urlsplit(location).path in ("/cb", "/web") else ""
        assert_absent(secrets, repr(bare).encode(), f"the headers of {where}", own_place)
        assert_absent(secrets, response.content, f"the body of {where}", *places(response))


def places(response: httpx2.Response) -> tuple[str, ...]:
    """The secrets that a body is there to carry."""
    if response.request.url.path == "/token" and response.status_code == 200:
        return ("token",)
    if response.headers.get("content-type", "").startswith("text/html") or (
        response.request.url.path == "/api/session"
    ):
        return ("csrf", "slip")  # what was typed as an email stands in its field again
    return ()


@pytest.mark.threat("6819-4.4.3.1")
@pytest.mark.threat("O-2")
async def test_no_secret_is_in_a_log_even_of_a_fault(
    issuer: LiveIssuer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = await use_everything(issuer, Heard())
    browser = issuer.browser()
    page = await browser.get("/login")

    async def fault(*args: object, **kwargs: object) -> object:
        raise RuntimeError("a fault")

    with monkeypatch.context() as patch:
        for name in ("run", "read", "one"):
            patch.setattr(issuer.db, name, fault)
        for attempt in (
            browser.submit("/login", page.text, email="canary@example.com", password=PASSWORD),
            browser.redeem(*[next(iter(secrets.texts[kind])) for kind in ("code", "verifier")]),
            browser.refresh(next(token for token in secrets.texts["token"] if token.count(".") == 3)),
        ):
            response = await attempt
            assert response.status_code == 500
            assert_absent(secrets, response.content, "an answer to a fault", "csrf", "slip")
    # The browsers of this test log what they ask for, as a browser keeps its history.
    entries = [entry for entry in caplog.records if not entry.name.startswith(("httpx2", "httpcore2"))]
    assert len([entry for entry in entries if entry.name.startswith("admit")]) > 20
    formatter = logging.Formatter()
    for entry in entries:
        assert_absent(
            secrets, f"{formatter.format(entry)} {vars(entry)!r}".encode(), f"a log line of {entry.name}"
        )


async def test_no_secret_is_shown_by_a_value_that_holds_it(issuer: LiveIssuer) -> None:
    secrets = await use_everything(issuer, Heard())
    for value in (issuer.settings, issuer.services, issuer.keyring, issuer.keys.snapshot, issuer.registry):
        assert_absent(secrets, repr(value).encode(), f"the repr of a {type(value).__name__}")
