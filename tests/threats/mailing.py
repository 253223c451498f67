"""Addresses, links and their forms, as people use them; what a stranger sees of the answers."""

import re
from typing import Any

import httpx2

from tests.fixtures.issuer import ADA, ISSUER, Browser, LiveIssuer, field_of
from tests.fixtures.mail import (
    MailServer,
    deliver,
    path_in,
    text_of,
)

NEW = "a fresh pass sentence 7"
CLEO = "cleo@example.com"
NOBODY = "nobody@example.com"


async def ask(browser: Browser, email: str, **headers: str) -> httpx2.Response:
    """The form at /forgot, sent."""
    page = await browser.get("/forgot")
    return await browser.post(
        "/forgot",
        data={"csrf": field_of(page.text, "csrf"), "email": email},
        headers={"origin": ISSUER, **headers},
    )


async def choose(browser: Browser, path: str, password: str = NEW) -> httpx2.Response:
    """The page behind a reset link, and its form with a password."""
    page = await browser.get(path)
    if 'name="t"' not in page.text:
        return page
    return await browser.submit("/reset", page.text, t=field_of(page.text, "t"), password=password)


async def reset_link(issuer: LiveIssuer, server: MailServer, email: str = ADA[0]) -> str:
    """The path of a link that sets this person's password."""
    before = len(server.messages)
    assert (await ask(issuer.browser(), email)).status_code == 200
    await deliver(issuer)
    (mail,) = [mail for mail in server.messages[before:] if "/reset?t=" in text_of(mail)]
    return path_in(mail)


async def sign_up(browser: Browser, email: str, password: str = NEW, name: str = "Cleo") -> httpx2.Response:
    page = await browser.get("/signup")
    return await browser.submit("/signup", page.text, name=name, email=email, password=password)


async def confirm(browser: Browser, path: str, **form: str) -> httpx2.Response:
    """The page behind a verification link, and its form."""
    page = await browser.get(path)
    if 'name="t"' not in page.text:
        return page
    return await browser.submit("/verify", page.text, t=field_of(page.text, "t"), **form)


async def is_verified(issuer: LiveIssuer, email: str) -> bool:
    user = await issuer.services.accounts.find(email)
    assert user is not None
    return user.email_verified_at is not None


def cookies_of(response: httpx2.Response) -> list[str]:
    """What the browser is told to keep."""
    return [value for name, value in response.headers.multi_items() if name == "set-cookie"]


def masked(response: httpx2.Response) -> tuple[Any, ...]:
    """What a stranger sees of an answer, less what is random in every one."""
    text = re.sub(r'name="csrf" value="[^"]*"', "", response.text)
    names = [re.sub(r"=[^;]{8,}", f"={len(value)}", value) for value in cookies_of(response)]
    kept = {
        name: value
        for name, value in response.headers.items()
        if name not in ("set-cookie", "content-length", "date")
    }
    return response.status_code, text, names, kept
