"""PWD-5, PWD-6, SES-6: passwords exactly as they were sent, sizes, and a change of password that races."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from admit.issuer.accounts import passwords
from admit.issuer.accounts.passwords import Match
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import ADA, Browser, LiveIssuer, add_people, make_issuer, settings_for
from tests.threats.whole import again, events, rows

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
EXACT = "  ｆull width, \0nul, tab\t, 🔑, e\u0301, Ünd ﬁ " + "and so on, " * 8


@pytest.mark.threat("PWD-5", off="admit.issuer.accounts.rules:password_bytes")
async def test_only_the_very_same_password_signs_in(browser: Browser) -> None:
    page = (await browser.get("/signup")).text
    form = {"name": "Cy", "email": "cy@example.com", "password": EXACT}
    signed_up = await browser.submit("/signup", page, **form)
    assert signed_up.status_code == 303, signed_up.text
    stranger = (await browser.get("/logout")).text
    assert (await browser.submit("/logout", stranger)).status_code == 200
    page = (await browser.get("/login")).text
    others = (
        EXACT.strip(),
        EXACT + "x",
        EXACT.encode()[:72].decode("utf-8", "ignore"),
        EXACT.replace("ｆ", "f"),
        EXACT.replace("\0", ""),
        EXACT.replace("\t", " "),
        EXACT.swapcase(),
    )
    for other in others:
        refused = await browser.submit("/login", page, email="cy@example.com", password=other)
        assert refused.status_code == 400, ascii(other)
    assert (await browser.submit("/login", page, email="cy@example.com", password=EXACT)).status_code == 303


async def test_a_huge_password_is_refused_fast_and_never_hashed(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "compare", lambda *_: pytest.fail("hashed"))
    monkeypatch.setattr(passwords, "compute", lambda *_: pytest.fail("hashed"))
    signup, login = (await browser.get("/signup")).text, (await browser.get("/login")).text
    for size, status in ((2_000, 400), (50_000, 400), (1_000_000, 413)):
        huge = "x y z" * (size // 5)
        form = {"name": "Cy", "email": "cy@example.com", "password": huge}
        assert (await browser.submit("/signup", signup, **form)).status_code == status
        answer = await browser.submit("/login", login, email=ADA[0], password=huge)
        assert answer.status_code == status
        assert huge[:100] not in answer.text


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_of_changes_at_once_on_two_nodes_one_is_made_and_its_session_alone_lives(
    request: pytest.FixtureRequest, keyring: Keyring, monkeypatch: pytest.MonkeyPatch, kind: str,
    rounds: Callable[..., range],
) -> None:  # fmt: skip
    monkeypatch.setattr(passwords, "compare", lambda stored, password: Match.YES)
    settings = settings_for(request.getfixturevalue(f"{kind}_url"))
    # Ten changes of one account in one moment are not what the budgets are tried with here.
    settings = replace(settings, accounts=replace(settings.accounts, tries_per_account=1_000))
    first = make_issuer(settings, keyring)
    async with first.lifespan():
        await add_people(first)
        second = again(first)
        async with second.lifespan():
            for number in rounds(quick=1, test=1, soak=100):
                browsers = [node.browser() for node in (first, second) for _ in range(2)]
                for browser in browsers:
                    assert (await browser.sign_in()).status_code == 303
                pages = [(await browser.get("/account/password")).text for browser in browsers]

                answers = await asyncio.gather(
                    *(
                        browser.submit(
                            "/account/password", page,
                            current_password=ADA[1], new_password=f"a new one by {place} in {number}",
                        )
                        for place, (browser, page) in enumerate(zip(browsers, pages, strict=True))
                    )
                )  # fmt: skip
                won = [n for n, one in enumerate(answers) if one.headers["location"].startswith("/account")]
                assert len(won) == 1, [one.headers["location"] for one in answers]
                alive = [(await browser.get("/api/session")).status_code for browser in browsers]
                assert [n for n, status in enumerate(alive) if status == 200] == won
                changed = [one for one in await events(first) if one["event"] == "user.changed"]
                assert len(changed) == number + 1
                (ada,) = [one for one in await rows(first, "user_account") if one["email"] == ADA[0]]
                assert ada["credential_version"] == number + 2
            for node in (first, second):
                for browser in node.open_browsers:
                    await browser.aclose()
