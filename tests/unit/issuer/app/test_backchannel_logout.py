"""Clients are told that a session is over: written with the end, sent at least once, and nobody waits for another."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from admit.errors import KeysUnavailableError, RevokedError
from admit.fetch import Fetcher
from admit.issuer import Client
from admit.issuer.app import jobs
from admit.issuer.audit import AuditEvent, RequestInfo
from admit.issuer.audit.store import audit
from admit.issuer.clients.dialling import Dialling
from admit.issuer.oauth.backchannel import Teller, rules
from admit.issuer.revocation.store.logins import client_login
from admit.issuer.sessions import transactions
from admit.issuer.storage import Keyring, Statement
from admit.jose.waive import Waive
from admit.tokens import logout
from admit.tokens.logout import LogoutToken
from admit.verifier import AsyncVerifier, EndReceiver, MemoryEndStore, TrustedIssuer
from tests.fixtures.issuer import (
    ADA,
    API,
    CLIENTS,
    ISSUER,
    Browser,
    LiveIssuer,
    running,
    settings_for,
)
from tests.fixtures.told_client import ToldClient, told_client
from tests.plugins.patience import until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The issuer's own job looks once, at its start: what a test sends, it sends itself."""
    monkeypatch.setattr(jobs, "MAILS_EVERY", 3_600.0)


@pytest.fixture
async def client() -> AsyncIterator[ToldClient]:
    async with told_client() as one:
        yield one


def told_at(uri: str, which: str = "spa") -> tuple[Client, ...]:
    """The clients, of which one wants to be told."""
    return tuple(replace(one, backchannel_logout_uri=uri) if one.id == which else one for one in CLIENTS)


@pytest.fixture
async def telling(furnished_sqlite: str, keyring: Keyring, client: ToldClient) -> AsyncIterator[LiveIssuer]:
    async with running(settings_for(furnished_sqlite, client=told_at(client.uri)), keyring) as made:
        yield made


async def waiting(issuer: LiveIssuer) -> list[Any]:
    return list(await issuer.db.read(Statement(select(client_login))()))


def read(issuer: LiveIssuer, token: str, audience: str = "spa") -> LogoutToken:
    keys = issuer.keys.snapshot.published()
    return logout.verify(token, keys, issuer=ISSUER, audience=audience, now=issuer.clock())


async def session_of(issuer: LiveIssuer, browser: Browser) -> str:
    user = await issuer.services.accounts.find(ADA[0])
    assert user is not None
    [entry] = await issuer.services.sessions.list(user.id, issuer.clock())
    return entry.id


@pytest.mark.rfc("OIDC Back-Channel Logout", "2.4")
@pytest.mark.rfc("OIDC Back-Channel Logout", "2.5")
@pytest.mark.threat("SES-5", off="admit.issuer.revocation.store.ends:logins_over")
async def test_a_client_is_told_of_the_log_out_by_a_token_that_names_session_and_user(
    telling: LiveIssuer, client: ToldClient
) -> None:
    browser = telling.browser()
    tokens = await browser.tokens()
    principal = await telling.verifier.verify(tokens["access_token"])
    await telling.teller.turn()
    assert client.bodies == [], "nothing is over"
    await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    await telling.teller.turn()
    [token] = client.tokens
    told = read(telling, token)
    assert (told.subject, told.session_id) == (principal.subject, principal.session_id)
    assert "content-type: application/x-www-form-urlencoded" in client.heads[0].lower()
    assert await waiting(telling) == []


async def test_a_running_issuer_tells_by_itself(
    furnished_sqlite: str, keyring: Keyring, client: ToldClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MAILS_EVERY", 0.02)
    async with running(settings_for(furnished_sqlite, client=told_at(client.uri)), keyring) as issuer:
        browser = issuer.browser()
        tokens = await browser.tokens()
        await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
        await until(lambda: client.statuses == [200], "the logout token")


@pytest.mark.soak
async def test_a_client_that_does_not_ask_for_it_is_told_nothing(
    issuer: LiveIssuer, browser: Browser
) -> None:
    tokens = await browser.tokens()
    await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    assert await waiting(issuer) == []


@pytest.mark.soak
async def test_a_client_is_told_once_of_a_session_in_which_it_was_let_in_twice(
    telling: LiveIssuer, client: ToldClient
) -> None:
    browser = telling.browser()
    await browser.tokens()
    tokens = await browser.tokens()
    await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    await telling.teller.turn()
    assert len(client.tokens) == 1


# All ways meet in one statement; those that are told for a reason of their own are tried each time.
WAYS = ["disabled", "app", "reused"]
MORE = [
    pytest.param(way, marks=pytest.mark.soak) for way in ("everything", "other", "idle", "expired", "client")
]


async def end_by(way: str, issuer: LiveIssuer, browser: Browser, tokens: dict[str, Any]) -> None:
    user = await issuer.services.accounts.find(ADA[0])
    assert user is not None
    info, now = RequestInfo(actor="test"), issuer.clock()
    match way:
        case "disabled":
            await issuer.services.accounts.disable(user.id, info=info, now=now)
        case "everything":
            await issuer.services.sessions.end_everything(user.id, reason="test", info=info, now=now)
        case "other":
            sid = await session_of(issuer, browser)
            await issuer.services.sessions.end(sid, user_id=user.id, reason="test", info=info, now=now)
        case "idle":
            issuer.clock.advance(issuer.settings.sessions.idle.total_seconds() + 1)
            await issuer.services.sessions.sweep(issuer.clock())
        case "expired":
            issuer.clock.advance(issuer.settings.sessions.absolute.total_seconds() + 1)
        case "app":
            page = await browser.get("/account")
            await browser.submit("/account", page.text, do="end_app", client="spa")
        case "client":
            await issuer.end_client("spa")
        case "reused":
            later = await browser.refresh(tokens["refresh_token"])
            await browser.refresh(later.json()["refresh_token"])
            await browser.refresh(tokens["refresh_token"])


@pytest.mark.parametrize("way", [*WAYS, *MORE])
async def test_however_it_ends_the_client_is_told(telling: LiveIssuer, client: ToldClient, way: str) -> None:
    browser = telling.browser()
    tokens = await browser.tokens()
    await end_by(way, telling, browser, tokens)
    await telling.teller.turn()
    assert [read(telling, token).audience for token in client.tokens] == ["spa"]


async def test_an_end_that_is_rolled_back_is_told_to_nobody(telling: LiveIssuer, client: ToldClient) -> None:
    browser = telling.browser()
    tokens = await browser.tokens()
    principal = await telling.verifier.verify(tokens["access_token"])

    def failing() -> Any:
        yield from transactions.end(
            telling.lists, principal.session_id or "", principal.subject, event=AuditEvent.LOGOUT, reason="logout",
            info=RequestInfo(), now=telling.clock(),
        )  # fmt: skip
        raise RuntimeError("after the end")

    with pytest.raises(RuntimeError):
        await telling.db.run(failing)
    await telling.teller.turn()
    assert client.bodies == []
    assert (await browser.get("/account")).status_code == 200


@pytest.mark.rfc("OIDC Back-Channel Logout", "2.8")
async def test_a_client_that_fails_is_told_again_later_by_another_token(
    telling: LiveIssuer, client: ToldClient
) -> None:
    client.answers = [400, 503]
    browser = telling.browser()
    tokens = await browser.tokens()
    await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    told = []
    for count in (1, 2, 3):
        await telling.teller.turn()
        await telling.teller.turn()
        assert len(client.bodies) == count, "not before its time"
        told.append(read(telling, client.tokens[-1]))
        telling.clock.advance(60)
    assert len({one.jti for one in told}) == 3
    assert len({one.session_id for one in told}) == 1
    assert await waiting(telling) == []


async def test_a_token_that_cannot_be_signed_is_a_try_that_failed(
    telling: LiveIssuer, client: ToldClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = telling.browser()
    tokens = await browser.tokens()
    await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})

    def away(*args: object, **kwargs: object) -> None:
        raise KeysUnavailableError("no active key")

    with monkeypatch.context() as patched:
        patched.setattr("admit.issuer.oauth.backchannel.driver.logout.sign", away)
        assert await telling.teller.turn() == 0
        assert await telling.teller.turn() == 0
    assert [row["tries"] for row in await waiting(telling)] == [1]
    telling.clock.advance(60)
    assert await telling.teller.turn() == 1
    assert len(client.bodies) == 1


@pytest.mark.soak
async def test_a_client_that_never_answers_well_is_given_up_and_that_is_told(
    telling: LiveIssuer, client: ToldClient
) -> None:
    client.answers = [500] * 99
    browser = telling.browser()
    tokens = await browser.tokens()
    await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    for _ in range(rules.MOST_TRIES):
        assert len(await waiting(telling)) == 1
        await telling.teller.turn()
        telling.clock.advance(5_000)
    assert await waiting(telling) == []
    events = [row["event"] for row in await telling.db.read(Statement(select(audit))())]
    assert events.count("logout.untold") == 1


async def test_a_redirect_of_a_client_is_not_followed(telling: LiveIssuer, client: ToldClient) -> None:
    browser = telling.browser()
    tokens = await browser.tokens()
    async with told_client() as elsewhere:
        client.answers, client.location = [302], elsewhere.uri
        await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
        await telling.teller.turn()
        assert elsewhere.bodies == []
    [row] = await waiting(telling)
    assert row["due_at"] > telling.clock(), "it is tried again"


@pytest.mark.threat("INF-ssrf", off=["admit.fetch.egress:check_url", "admit.fetch.egress:check_addresses"])
async def test_a_client_inside_the_network_that_nobody_named_is_not_dialled(
    telling: LiveIssuer, client: ToldClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The address of a client from elsewhere than the settings: the guard's to refuse, and nobody is dialled."""
    telling.teller = replaced(telling)
    browser = telling.browser()
    tokens = await browser.tokens()
    await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    await telling.teller.turn()
    assert client.bodies == []
    [row] = await waiting(telling)
    assert row["tries"] == 1
    [told] = [vars(one) for one in caplog.records if one.message == "logout not told"]
    assert told["code"] == "fetch_failed"
    assert told["detail"].startswith("spa: "), "and why: nothing else tells the operator what to allow"
    assert len(told["detail"]) > len("spa: ")


def replaced(issuer: LiveIssuer) -> Teller:
    """A teller to whom no origin was named."""
    clients = issuer.services.clients
    dialling = Dialling(Fetcher(), Fetcher(), is_configured=clients.is_configured)
    return Teller(issuer.db, clients, issuer.keys, dialling, issuer=ISSUER, clock=issuer.clock)


async def test_a_client_that_does_not_answer_holds_no_other_up(
    furnished_sqlite: str, keyring: Keyring, client: ToldClient
) -> None:
    async with told_client() as mute:
        mute.silent = True
        clients = tuple(
            replace(one, backchannel_logout_uri={"spa": mute.uri, "web": client.uri}.get(one.id))
            for one in CLIENTS
        )
        async with running(settings_for(furnished_sqlite, client=clients), keyring) as issuer:
            browser = issuer.browser()
            await browser.tokens(client="web")
            tokens = await browser.tokens()
            await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
            await issuer.teller.begin()
            await until(lambda: mute.bodies and client.statuses, "the answer of the one that can")
            assert [read(issuer, token, "web").audience for token in client.tokens] == ["web"]
            assert mute.statuses == []


@pytest.mark.rfc("OIDC Back-Channel Logout", "2.6")
async def test_our_own_receiver_takes_the_token_and_refuses_the_session_from_then_on(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    """Both ends: the issuer sends what the receiver of an API verifies, and that API's verifier refuses."""
    async with (
        told_client() as api,
        running(settings_for(furnished_sqlite, client=told_at(api.uri)), keyring) as issuer,
    ):
        browser = issuer.browser()
        tokens = await browser.tokens()
        trust = TrustedIssuer(
            ISSUER, audience=API, jwks=issuer.keys.snapshot.published(), revocation=Waive.REVOCATION,
            ends=MemoryEndStore(wall=issuer.clock),
        )  # fmt: skip
        verifier = AsyncVerifier(trust, wall=issuer.clock)
        api.app = EndReceiver(verifier, audience="spa")
        await verifier.verify(tokens["access_token"])
        await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
        await issuer.teller.turn()
        assert api.statuses == [200]
        with pytest.raises(RevokedError):
            await verifier.verify(tokens["access_token"])


@pytest.mark.soak
async def test_another_sessions_end_is_not_told(telling: LiveIssuer, client: ToldClient) -> None:
    mine, other = telling.browser(), telling.browser()
    await mine.tokens()
    await other.sign_in()
    page = await other.get("/account")
    await other.submit("/account", page.text, do="sign_out")
    await telling.teller.turn()
    assert client.bodies == []
    assert (await mine.get("/account")).status_code == 200
