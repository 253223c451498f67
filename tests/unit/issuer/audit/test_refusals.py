"""The ring of refusals: bounded in rows, in age and in what waits, and never in the way of an answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from admit.errors import StorageUnavailableError
from admit.issuer.audit.refusals import Refusal, RefusalsConfig, Ring
from admit.issuer.audit.refusals.ring import has_room
from admit.issuer.storage import Database, Keyring
from admit.issuer.storage.migrate import migrate
from tests.fixtures.issuer import Browser, LiveIssuer
from tests.plugins.patience import patience

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000.0


def refusal(n: int, **changes: Any) -> Refusal:
    made = Refusal(
        request_id=f"{n:016x}", at=NOW + n, status=400, code="invalid_grant", kind="InvalidGrantError",
        detail="code is spent", method="POST", route="/token", client_id="spa", ip="192.0.2.1",
    )  # fmt: skip
    return replace(made, **changes)


@pytest.fixture(params=["sqlite", "postgresql"])
async def db(request: pytest.FixtureRequest, keyring: Keyring) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        url = request.getfixturevalue("sqlite_url")
    else:
        url = request.getfixturevalue("postgres_dsn")
        await migrate(url)
    made = Database.from_url(url, keyring)
    await made.open()
    yield made
    await made.close()


def ring_on(db: Database, at: float = NOW, **config: Any) -> Ring:
    return Ring(db, RefusalsConfig(**config), clock=lambda: at)


async def test_what_was_told_is_found_by_its_id(db: Database) -> None:
    ring = ring_on(db)
    for n in range(3):
        ring.tell(refusal(n))
    ring.tell(refusal(1, status=500, kind="RuntimeError", client_id=None, ip=None, trace_id="a" * 32))
    assert await ring.find(refusal(1).request_id) == [], "nothing is written before the answer is out"
    assert await ring.write() == 4
    first, second = await ring.find(refusal(1).request_id)
    assert first == refusal(1)
    assert (second.kind, second.client_id, second.trace_id) == ("RuntimeError", None, "a" * 32)
    assert [one.at for one in await ring.latest(2)] == [NOW + 1, NOW + 2]
    assert await ring.find("f" * 16) == []


async def test_only_the_newest_rows_are_kept(db: Database) -> None:
    ring = ring_on(db, rows=10, queue=100)
    for start in range(0, 40, 8):
        for n in range(start, start + 8):
            ring.tell(refusal(n))
        await ring.write()
        assert len(await ring.latest(1_000)) == min(start + 8, 10)
    assert [one.at - NOW for one in await ring.latest(1_000)] == list(range(39, 29, -1))


async def test_none_is_kept_longer_than_is_set(db: Database) -> None:
    await_old = ring_on(db, kept=timedelta(days=7))
    await_old.tell(refusal(0))
    await await_old.write()
    later = ring_on(db, at=NOW + 7 * 86_400 + 5, kept=timedelta(days=7))
    later.tell(refusal(1, at=NOW + 7 * 86_400 + 5))
    await later.write()
    assert [one.request_id for one in await later.latest(10)] == [refusal(1).request_id]


@pytest.mark.threat("INF-size", off="admit.issuer.audit.refusals.ring:has_room")
async def test_a_flood_waits_in_bounded_room_and_the_rest_is_counted(db: Database) -> None:
    ring = ring_on(db, queue=50)
    for n in range(5_000):
        ring.tell(refusal(n))
    assert (await ring.write(), ring.dropped) == (50, 4_950)
    assert has_room(49, 50)


async def test_no_rows_allowed_means_nothing_is_kept(db: Database) -> None:
    ring = ring_on(db, rows=0)
    ring.tell(refusal(1))
    assert (await ring.write(), ring.dropped) == (0, 0)


@pytest.mark.threat("O-2", off="admit.issuer.audit.redaction:redacted")
async def test_no_credential_and_no_text_without_end_reaches_the_table(db: Database) -> None:
    ring = ring_on(db)
    token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1XzEifQ.c2lnbmF0dXJl"
    ring.tell(refusal(1, detail=f"odd {token}", client_id="c" * 10_000, route="/x\0\ud800", ip="i" * 999))
    await ring.write()
    [kept] = await ring.latest(1)
    assert token not in kept.detail
    assert len(kept.client_id or "") <= 256
    assert len(kept.ip or "") <= 256
    assert "\0" not in kept.route


async def test_a_database_that_is_away_costs_rows_and_nothing_else(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = ring_on(db)
    ring.tell(refusal(1))

    async def away(*args: Any, **kwargs: Any) -> Any:
        raise StorageUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(db, "run", away)
        assert await ring.write() == 0
    assert ring.dropped == 1
    ring.tell(refusal(2))
    assert await ring.write() == 1


async def test_the_job_writes_by_itself_what_was_told_before_and_after_it_began(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admit.issuer.audit.refusals.ring.GATHERED", 0.01)
    ring = ring_on(db)
    ring.tell(refusal(1))
    job = asyncio.create_task(ring.run())
    async with asyncio.timeout(patience()):
        while ring.written < 1:  # noqa: ASYNC110  # nothing is told of it
            await asyncio.sleep(0.01)
        ring.tell(refusal(2))
        while ring.written < 2:  # noqa: ASYNC110  # nothing is told of it
            await asyncio.sleep(0.01)
    job.cancel()


async def test_a_wrong_redirect_uri_is_kept_with_the_client_that_was_named(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.get("/authorize", params={"client_id": "spa", "redirect_uri": "https://evil.example/cb"})
    await issuer.ring.write()
    (one,) = await issuer.ring.latest(10)
    assert (one.detail, one.client_id) == ("redirect_uri is not registered", "spa")


async def test_pages_json_and_redirects_that_refuse_are_all_kept_with_their_ids(
    issuer: LiveIssuer, browser: Browser
) -> None:
    page = await browser.get("/authorize", params={"client_id": "nobody"})
    wrong = await browser.redeem("A" * 43, "v" * 43)
    redirected = await browser.get(
        "/authorize",
        params={"client_id": "spa", "redirect_uri": "http://localhost:8411/cb", "response_type": "token"},
    )
    gone = await browser.get("/nothing-here")
    misdirected = await browser.get("/login", headers={"host": "evil.example"})
    assert [one.status_code for one in (page, wrong, redirected, gone, misdirected)] == [
        400,
        400,
        303,
        404,
        421,
    ]
    await issuer.ring.write()
    kept = (await issuer.ring.latest(10))[::-1]
    told = [(one.method, one.route, one.status, one.code, one.kind, one.client_id) for one in kept]
    assert told == [
        ("GET", "/authorize", 400, "invalid_request", "UntrustedTargetError", None),
        ("POST", "/token", 400, "invalid_grant", "InvalidGrantError", "spa"),
        ("GET", "/authorize", 400, "unsupported_response_type", "UnsupportedResponseTypeError", "spa"),
        ("GET", "", 404, "not_found", "NotFoundError", None),
        ("GET", "/login", 421, "misdirected_request", "MisdirectedError", None),
    ]
    assert kept[0].request_id in page.text
    told = [one.headers["admit-error-id"] for one in (page, wrong, redirected, gone, misdirected)]
    assert [one.request_id for one in kept] == told
    assert "admit-error-id" not in (await browser.get("/login")).headers
    assert kept[3].request_id in gone.text
    assert {one.ip for one in kept} == {"127.0.0.1"}


async def test_trouble_inside_is_kept_with_its_place_and_without_its_words(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fault(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("SELECT canary")

    with monkeypatch.context() as patch:
        patch.setattr(issuer.services.sessions, "find", fault)
        browser.cookies.set(issuer.app.cookies.session_name, "A" * 43)
        answer = await browser.get("/account")
    assert answer.status_code == 500
    await issuer.ring.write()
    [kept] = await issuer.ring.latest(1)
    assert kept.request_id in answer.text
    assert (kept.status, kept.code, kept.kind) == (500, "server_error", "RuntimeError")
    assert "canary" not in kept.detail
    assert "issuer/app/" in kept.detail


@pytest.mark.rfc("W3C Trace Context", "3.2")
@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (f"00-{'a1' * 16}-{'b2' * 8}-01", "a1" * 16), (f"00-{'0' * 32}-{'b2' * 8}-01", None),
        (f"00-{'a1' * 16}-{'0' * 16}-01", None), (f"00-{'A1' * 16}-{'b2' * 8}-01", None),
        (f"01-{'a1' * 16}-{'b2' * 8}-01", None), (f"00-{'a1' * 16}-{'b2' * 8}-01-x", None),
        (f" 00-{'a1' * 16}-{'b2' * 8}-01", None), ("", None), ("00-x\x1b[31m", None),
    ],
)  # fmt: skip
async def test_a_trace_is_taken_in_its_strict_form_only(
    issuer: LiveIssuer, browser: Browser, header: str, trace: str | None
) -> None:
    await browser.get("/nothing-here", headers={b"traceparent": header.encode()})  # type: ignore[dict-item]  # octets
    await issuer.ring.write()
    [kept] = await issuer.ring.latest(1)
    assert kept.trace_id == trace
