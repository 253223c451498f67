"""Sign-ins with a second step: what is asked, what is open, and what others are told of a session."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import quote

from admit.issuer import Settings
from admit.issuer.accounts.config import SecondFactor
from admit.issuer.sessions.rules import hash_id
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import (
    API,
    API_SECRET,
    Browser,
    LiveIssuer,
    make_issuer,
    pkce,
    request_of,
)
from tests.threats.whole import SESSION_COOKIE, rows, user_id_of

CLEO = ("cleo@example.com", "a fresh pass sentence 7", "Cleo", ())
OFFLINE = "openid offline_access orders:own"


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
