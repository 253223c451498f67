"""Scripts that type passwords into the sign-in page."""

import random
import re
from urllib.parse import urlencode

from benchmarks.harness.load import Script, expect, request
from benchmarks.issuer.furnished import PASSWORD, Furnished


def _opened(page_head: bytes, page_body: bytes) -> tuple[str, str]:
    """The token of the form, and the cookie that it is bound to."""
    csrf = re.search(rb'name="csrf"\s+value="([^"]*)"', page_body)
    cookie = re.search(rb"set-cookie: ([^;]*);", page_head)
    if csrf is None or cookie is None:
        raise SystemExit("the sign-in page has no form")
    return csrf[1].decode(), cookie[1].decode()


def _typed(made: Furnished, csrf: str, cookie: str, email: str, password: str) -> bytes:
    headers = (
        ("content-type", "application/x-www-form-urlencoded"), ("origin", made.issuer), ("cookie", cookie),
    )  # fmt: skip
    body = urlencode({"csrf": csrf, "email": email, "password": password}).encode()
    return request("POST", "/login", host=made.host, headers=headers, body=body)


def right_passwords(made: Furnished) -> Script:
    """One page, then one sign-in after another."""
    page = expect((yield request("GET", "/login", host=made.host)), 200)
    csrf, cookie = _opened(page.head, page.body)
    while True:
        expect((yield _typed(made, csrf, cookie, random.choice(made.emails), PASSWORD)), 303)


def wrong_passwords(made: Furnished, number: int) -> Script:
    """One page, then one guess after another at accounts that there are not. 503: the queue is full, as it is to be."""
    page = expect((yield request("GET", "/login", host=made.host)), 200)
    csrf, cookie = _opened(page.head, page.body)
    turn = 0
    while True:
        turn += 1
        answer = yield _typed(made, csrf, cookie, f"nobody{number}.{turn}@example.com", "a guess")
        if answer.status not in (400, 503):
            expect(answer, 400)
