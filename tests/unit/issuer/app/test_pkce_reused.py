"""A client that sends one code_challenge or nonce twice is noticed, and refused where settings say so."""

import secrets
from collections.abc import AsyncIterator

import httpx2
import pytest
from sqlalchemy import select

from admit.issuer.audit.store import audit
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.storage import Keyring, Statement
from tests.fixtures.issuer import (
    Browser,
    LiveIssuer,
    add_people,
    answer_of,
    make_issuer,
    pkce,
    request_of,
    settings_for,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)])
async def strict(
    request: pytest.FixtureRequest, furnished_sqlite: str, keyring: Keyring
) -> AsyncIterator[LiveIssuer]:
    url = furnished_sqlite if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    made = make_issuer(settings_for(url, grants=GrantsConfig(refuse_reused_challenges=True)), keyring)
    async with made.lifespan():
        if request.param == "postgresql":
            await add_people(made)
        yield made


async def asked(browser: Browser, challenge: str, client: str = "spa", **more: str) -> httpx2.Response:
    request = {**request_of(client), "code_challenge": challenge, "nonce": secrets.token_urlsafe(8), **more}
    return await browser.get("/authorize", params=request)


async def told(issuer: LiveIssuer, event: str = "pkce_reused") -> list[tuple[str, str]]:
    rows = await issuer.db.read(Statement(select(audit).where(audit.c.event == event))())
    return [(row["client_id"], row["outcome"]) for row in rows]


@pytest.mark.rfc("9700", "2.1.1")
@pytest.mark.threat("9700-pkceconst", off="admit.issuer.grants.codes:notice_reuse")
async def test_one_challenge_in_two_requests_is_told_and_two_challenges_are_not(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    _, challenge = pkce()
    for one in (challenge, pkce()[1]):
        assert "code" in answer_of(await asked(browser, one))
    assert await told(issuer) == []
    assert "code" in answer_of(await asked(browser, challenge, state="another"))
    assert await told(issuer) == [("spa", "done")]


@pytest.mark.rfc("9700", "2.1.1")
@pytest.mark.threat("9700-pkceconst", off="admit.issuer.grants.codes:notice_reuse")
async def test_where_settings_say_so_it_is_refused_and_anothers_challenge_is_not(strict: LiveIssuer) -> None:
    browser = strict.browser()
    await browser.sign_in()
    _, challenge = pkce()
    assert "code" in answer_of(await asked(browser, challenge))
    refused = answer_of(await asked(browser, challenge))
    assert (refused["error"], refused["state"], "code" in refused) == ("invalid_request", "a-state", False)
    assert await told(strict) == [("spa", "refused")]
    consent = await asked(browser, challenge, "web")
    page = await browser.get(consent.headers["location"])
    assert "code" in answer_of(await browser.submit("/consent", page.text, decision="allow"))


@pytest.mark.rfc("9700", "2.1.1")
@pytest.mark.rfc("OIDC Core", "15.5.2")
@pytest.mark.threat("9700-pkceconst", off="admit.issuer.grants.rules:sent_again")
async def test_one_nonce_with_two_challenges_is_told_and_no_nonce_or_two_are_not(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    for nonce in ("one", "another", "", ""):
        assert "code" in answer_of(await asked(browser, pkce()[1], nonce=nonce))
    assert await told(issuer, "nonce_reused") == []
    challenge = pkce()[1]
    assert "code" in answer_of(await asked(browser, challenge, nonce="one"))
    assert await told(issuer, "nonce_reused") == [("spa", "done")]
    # A person who goes back sends all of it again, which is told once.
    assert "code" in answer_of(await asked(browser, challenge, nonce="one"))
    assert (await told(issuer), await told(issuer, "nonce_reused")) == ([("spa", "done")], [("spa", "done")])


@pytest.mark.rfc("9700", "2.1.1")
@pytest.mark.threat("9700-pkceconst", off="admit.issuer.grants.rules:sent_again")
async def test_where_settings_say_so_a_nonce_is_refused_too_and_anothers_is_not(strict: LiveIssuer) -> None:
    browser = strict.browser()
    await browser.sign_in()
    longest = "😀" * 512
    assert "code" in answer_of(await asked(browser, pkce()[1], nonce=longest))
    refused = answer_of(await asked(browser, pkce()[1], nonce=longest))
    assert (refused["error"], refused["error_description"]) == (
        "invalid_request",
        "This nonce was used before. Make a new one for each request.",
    )
    assert await told(strict, "nonce_reused") == [("spa", "refused")]
    consent = await asked(browser, pkce()[1], "web", nonce=longest)
    page = await browser.get(consent.headers["location"])
    assert "code" in answer_of(await browser.submit("/consent", page.text, decision="allow"))
