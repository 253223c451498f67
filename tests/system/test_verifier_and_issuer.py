"""A verifier that knows the issuer only over HTTP, beside the real issuer: metadata, keys, heads, lists, look-ups."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from admit.credentials import cookies, read
from admit.credentials.values import SessionCredential
from admit.errors import FetchError, LookupUnavailableError, RevokedError, SessionError
from admit.fetch import Response, Stream
from admit.issuer.audit import RequestInfo
from admit.verifier import AsyncVerifier, RemoteLookup, Revocation, TrustedIssuer
from tests.fixtures.issuer import API, API_SECRET, ISSUER, Browser, LiveIssuer
from tests.plugins.patience import patience

pytestmark = pytest.mark.anyio
INFO = RequestInfo()
QUICK = Revocation(max_staleness=timedelta(seconds=3), poll=timedelta(milliseconds=100))


class Wire:
    """Stands in for a Fetcher: the follower's thread asks the issuer in this test's event loop."""

    def __init__(self, issuer: LiveIssuer) -> None:
        transport = httpx2.ASGITransport(app=issuer.asgi, raise_app_exceptions=False)
        self.client = httpx2.AsyncClient(transport=transport, base_url=ISSUER)
        self.loop = asyncio.get_running_loop()
        self.paths: list[str] = []

    def get(self, url: str, headers: Mapping[str, str] | None = None, **_: Any) -> Response:
        return asyncio.run_coroutine_threadsafe(self._send("GET", url, headers, None), self.loop).result(10)

    def stream(self, url: str, headers: Mapping[str, str] | None = None, **_: Any) -> Stream:
        raise FetchError("no streams on this wire")

    async def apost(
        self, url: str, body: bytes, headers: Mapping[str, str] | None = None, **_: Any
    ) -> Response:
        return await self._send("POST", url, headers, body)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str] | None, body: bytes | None
    ) -> Response:
        assert url.startswith(ISSUER + "/")
        self.paths.append(url.removeprefix(ISSUER).partition("?")[0])
        got = await self.client.request(method, url, headers=dict(headers or {}), content=body)
        return Response(got.status_code, {k.lower(): v for k, v in got.headers.items()}, got.content)


@pytest.fixture
async def wire(issuer: LiveIssuer) -> AsyncIterator[Wire]:
    made = Wire(issuer)
    yield made
    await made.client.aclose()


@pytest.fixture
async def verifier(issuer: LiveIssuer, wire: Wire) -> AsyncIterator[AsyncVerifier]:
    made = AsyncVerifier(
        TrustedIssuer(ISSUER, audience=API, revocation=QUICK),
        fetcher=wire,  # type: ignore[arg-type]  # stands in
        wall=issuer.clock,
    )
    yield made
    await asyncio.to_thread(made.close)  # its thread may be waiting for this very loop


async def raw_session(browser: Browser) -> SessionCredential:
    name = cookies.session_cookie_name(ISSUER, dev=True)
    value = browser.cookies[name]
    found = read([(b"cookie", f"{name}={value}".encode())], "GET", "/", session_cookie=name)
    assert isinstance(found, SessionCredential)
    return found


async def until(error: type[Exception], attempt: Any) -> None:
    async with asyncio.timeout(patience()):
        while True:
            try:
                await attempt()
            except error:
                return
            await asyncio.sleep(0.01)


@pytest.mark.threat("SES-6", off="admit.verifier.freshness:check_bit")
async def test_a_token_is_good_from_afar_until_its_user_is_disabled(
    issuer: LiveIssuer, browser: Browser, verifier: AsyncVerifier, wire: Wire
) -> None:
    token = (await browser.tokens())["access_token"]
    near, far = await issuer.verifier.verify(token), await verifier.verify(token)
    assert near == far
    assert far.roles == {"admin"}
    assert {"/.well-known/openid-configuration", "/jwks", "/status/head"} <= set(wire.paths)
    user = await issuer.services.accounts.get(far.subject)
    assert user is not None
    await issuer.services.accounts.disable(user.id, info=INFO, now=issuer.clock())
    try:
        await until(RevokedError, lambda: verifier.verify(token))
    except TimeoutError:
        pytest.fail("the end never reached the verifier")


async def test_a_session_is_the_same_principal_as_its_token_and_ends_with_it(
    issuer: LiveIssuer, browser: Browser, verifier: AsyncVerifier, wire: Wire
) -> None:
    tokens = await browser.tokens()
    credential = await raw_session(browser)
    sessions = RemoteLookup(ISSUER, API, API_SECRET, fetcher=wire)  # type: ignore[arg-type]  # stands in
    by_session = await verifier.verify_session(sessions, credential.id_hash, API)
    by_token = await verifier.verify(tokens["access_token"])
    for name in ("issuer", "subject", "roles", "groups", "session_id", "auth_time", "acr", "amr"):
        assert getattr(by_session, name) == getattr(by_token, name), name
    assert by_token.scopes - {"openid", "profile"} <= by_session.scopes
    await issuer.services.accounts.disable(by_token.subject, info=INFO, now=issuer.clock())
    await until(SessionError, lambda: verifier.verify_session(sessions, credential.id_hash, API))
    await until(RevokedError, lambda: verifier.verify(tokens["access_token"]))


async def test_a_wrong_secret_is_503_and_no_session_is_401(
    browser: Browser, verifier: AsyncVerifier, wire: Wire
) -> None:
    await browser.tokens()
    credential = await raw_session(browser)
    wrong = RemoteLookup(ISSUER, API, API_SECRET + "x", fetcher=wire)  # type: ignore[arg-type]  # stands in
    with pytest.raises(LookupUnavailableError):
        await verifier.verify_session(wrong, credential.id_hash, API)
    right = RemoteLookup(ISSUER, API, API_SECRET, fetcher=wire)  # type: ignore[arg-type]  # stands in
    with pytest.raises(SessionError):
        await verifier.verify_session(right, bytes(32), API)
