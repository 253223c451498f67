"""The listener for operators: numbers without anybody in them, and health; and readiness on the issuer itself."""

import asyncio
import re
from typing import Any

import asyncpg
import httpx2
import pytest

from admit.errors import StorageUnavailableError
from admit.issuer.app import gauges, operators
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import ADA, BO, Browser, LiveIssuer, make_issuer, settings_for
from tests.plugins.patience import patience

pytestmark = pytest.mark.anyio

SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")


def client_of(issuer: LiveIssuer) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=operators.application(issuer))
    return httpx2.AsyncClient(transport=transport, base_url="http://10.1.2.3:9410")


async def scraped(issuer: LiveIssuer) -> dict[tuple[str, str], float]:
    """Every sample by name and labels."""
    async with client_of(issuer) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    found = [SAMPLE.fullmatch(line) for line in answer.text.splitlines() if not line.startswith("#")]
    return {(match[1], match[2] or ""): float(match[3]) for match in found if match is not None}


async def test_requests_are_counted_by_route_template_and_status(
    issuer: LiveIssuer, browser: Browser
) -> None:
    for path in ("/login", "/login", "/nothing/of/ours", "/api/users/u_someone", "/status/0", "/a%0Ab"):
        await browser.get(path)
    await browser.request("BREW", "/login")
    told = await scraped(issuer)
    assert told["admit_requests_total", 'method="GET",route="/login",status="200"'] == 2
    assert told["admit_requests_total", 'method="GET",route="/status/*",status="200"'] == 1
    assert told["admit_requests_total", 'method="other",route="/login",status="405"'] == 1
    assert told["admit_requests_total", 'method="GET",route="none",status="404"'] >= 1
    assert told["admit_request_seconds_count", 'route="/login"'] == 3
    assert told["admit_request_seconds_bucket", 'le="+Inf",route="/login"'] == 3


async def test_the_state_of_the_process_is_there(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in(ADA)
    told = await scraped(issuer)
    assert told["admit_ready", ""] == 1
    assert told["admit_sessions_live", ""] == 1
    assert told["admit_event_streams", ""] == 0
    assert told["admit_hash_pool_waiting", ""] == 0
    assert told["admit_refusals_dropped_total", ""] == 0
    assert any(name == "admit_revocation_age_seconds" for name, _ in told)
    assert any((name, labels.startswith("job=")) == ("admit_job_turns_total", True) for name, labels in told)
    assert sum(value for (name, _), value in told.items() if name == "admit_sign_ins_total") == 1


async def test_every_sample_is_explained_and_none_is_about_anybody(
    issuer: LiveIssuer, browser: Browser
) -> None:
    tokens = await browser.tokens(BO)
    await browser.get(f"/{tokens['access_token']}")
    await browser.get("/authorize", params={"client_id": "canary-client"})
    async with client_of(issuer) as client:
        text = (await client.get("/metrics")).text
    for value in (
        "bo@example.com",
        "canary",
        "u_",
        tokens["access_token"][:20],
        "127.0.0.1",
        chr(34) + "spa",
    ):
        assert value not in text, value
    assert text.count("# HELP") == text.count("# TYPE") > 10


async def test_sessions_are_counted_once_a_minute_at_most(issuer: LiveIssuer, browser: Browser) -> None:
    measured = gauges.IssuerGauges(issuer, clock=issuer.clock)
    await measured.refresh(0.0)
    await browser.sign_in(ADA)
    await measured.refresh(59.0)
    assert measured.now()["sessions_live"] == 0
    await measured.refresh(60.0)
    assert measured.now()["sessions_live"] == 1


async def test_a_database_that_hangs_is_no_reason_to_tell_nothing(
    postgresql_url: str, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scrapers wait for ten seconds, as a rule; what they have not heard by then they never hear."""
    monkeypatch.setattr(gauges, "ANSWERED_WITHIN", 0.2)
    issuer = make_issuer(settings_for(postgresql_url), keyring)
    async with issuer.opened():
        measured = gauges.IssuerGauges(issuer, clock=issuer.clock)
        await measured.refresh(0)
        assert "sessions_live" in measured.now()
        other = await asyncpg.connect(postgresql_url)
        async with other.transaction():
            await other.execute("LOCK TABLE status_head, session IN ACCESS EXCLUSIVE MODE")
            await asyncio.wait_for(measured.refresh(gauges.COUNTED_EVERY), patience())
        await other.close()
        told = measured.now()
        assert (told["ready"], "sessions_live" in told) == (0, False)
        assert "database_connections" in told


async def test_health_is_there_for_probes_that_call_by_address(issuer: LiveIssuer) -> None:
    async with client_of(issuer) as client:
        assert (await client.get("/health/live")).json() == {"status": "live"}
        assert (await client.get("/health/ready")).json() == {"status": "ready"}
        assert (await client.get("/login")).status_code == 404
        assert (await client.post("/metrics")).status_code == 405


async def not_ready(issuer: LiveIssuer) -> str:
    async with Browser(issuer) as browser:
        answer = await browser.get("/health/ready")
        live = await browser.get("/health/live")
    assert live.status_code == 200
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    async with client_of(issuer) as client:
        assert (await client.get("/health/ready")).json() == answer.json()
    status: str = answer.json()["status"]
    return status


async def test_ready_says_in_a_word_why_not(issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*args: Any) -> Any:
        raise StorageUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(issuer.db, "read", away)
        assert await not_ready(issuer) == "no database"
    with monkeypatch.context() as patch:
        patch.setattr(issuer.keys, "snapshot", type(issuer.keys.snapshot)())
        assert await not_ready(issuer) == "no keys"
    with monkeypatch.context() as patch:
        patch.setattr(issuer.readiness, "_fresh", lambda: False)
        assert await not_ready(issuer) == "stale"
    issuer.announce_stop()
    assert await not_ready(issuer) == "stopping"
