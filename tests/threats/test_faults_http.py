"""INF-errors: a fault at each use of the database in each flow. The answer is an error that tells an id and nothing
else, nothing is granted, and the same request works afterwards or is refused for a reason."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import httpx2
import pytest

from admit.issuer.storage import Database
from tests.fixtures.issuer import ADA, Browser, LiveIssuer, pkce, request_of

pytestmark = pytest.mark.anyio

CANARY = "SELECT canary FROM user_account"
SECRETS = ("canary", "Traceback", "RuntimeError", "SELECT", ".py", "sqlite", "asyncpg")
MOST_USES = 40
ASKING: ContextVar[bool] = ContextVar("asking", default=False)


class Faulty:
    """Lets `good` uses of the database pass, and breaks at the next."""

    def __init__(self, db: Database, good: int) -> None:
        self.left, self.broke = good, False
        self._run, self._read = db.run, db.read

    def _use(self) -> None:
        if not ASKING.get():
            return  # a job of the issuer, which goes on beside
        self.left -= 1
        if self.left < 0:
            self.broke = True
            raise RuntimeError(CANARY)

    async def run(self, *args: Any, **kwargs: Any) -> Any:
        self._use()
        return await self._run(*args, **kwargs)

    async def read(self, *args: Any, **kwargs: Any) -> Any:
        self._use()
        return await self._read(*args, **kwargs)


async def sign_in(browser: Browser) -> httpx2.Response:
    page = await browser.get("/login")
    if page.status_code != 200:
        return page
    return await browser.submit("/login", page.text, email=ADA[0], password=ADA[1])


async def authorize(browser: Browser) -> httpx2.Response:
    return await browser.get("/authorize", params={**request_of("spa"), "code_challenge": pkce()[1]})


async def account(browser: Browser) -> httpx2.Response:
    return await browser.get("/account")


async def session(browser: Browser) -> httpx2.Response:
    return await browser.get("/api/session")


def redeem(code: str, verifier: str) -> Callable[[Browser], Awaitable[httpx2.Response]]:
    return lambda browser: browser.redeem(code, verifier)


def refresh(token: str) -> Callable[[Browser], Awaitable[httpx2.Response]]:
    return lambda browser: browser.refresh(token)


def wrong_client(browser: Browser) -> Awaitable[httpx2.Response]:
    return browser.post("/token", data={"grant_type": "authorization_code"}, auth=("web", "wrong"))


async def every_fault(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch,
    flow: Callable[[Browser], Awaitable[httpx2.Response]],
) -> int:  # fmt: skip
    """The flow with a fault at its first, second, … use of the database; the number of faults."""
    for good in range(MOST_USES):
        faulty = Faulty(issuer.db, good)
        held = dict(browser.cookies)
        with monkeypatch.context() as patch:
            patch.setattr(issuer.db, "run", faulty.run)
            patch.setattr(issuer.db, "read", faulty.read)
            token = ASKING.set(True)
            try:
                answer = await flow(browser)
            finally:
                ASKING.reset(token)
        if not faulty.broke:
            assert answer.status_code < 500
            return good
        assert answer.status_code >= 400, (good, answer.status_code)
        for secret in SECRETS:
            assert secret not in answer.text, (good, secret)
        assert "access_token" not in answer.text
        assert "location" not in answer.headers
        session_cookie = issuer.app.cookies.session_name
        assert browser.cookies.get(session_cookie) == held.get(session_cookie), good
    raise AssertionError("it never came to its end")


TOLD = ["admit.issuer.app.answers:json_error", "admit.issuer.app.context:App.error_page"]


@pytest.mark.threat("INF-errors", off=TOLD)
async def test_a_fault_at_any_use_of_the_database_grants_nothing_and_tells_nothing(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {"sign-in": await every_fault(issuer, issuer.browser(), monkeypatch, sign_in)}
    code, verifier = await browser.code(ADA)
    tokens = await browser.tokens(ADA)
    for name, flow in {
        "authorize": authorize, "account": account, "session": session, "code": redeem(code, verifier),
        "refresh": refresh(tokens["refresh_token"]), "wrong client": wrong_client,
    }.items():  # fmt: skip
        faults[name] = await every_fault(issuer, browser, monkeypatch, flow)
    assert min(faults.values()) >= 1, faults
    assert sum(faults.values()) >= 12, faults
