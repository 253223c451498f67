"""What a sign-in writes, and in how many transactions: each of them is a flush of the disk."""

import asyncio
from typing import Any

import pytest

from admit.issuer.accounts import passwords
from admit.issuer.accounts.devices import transactions as devices
from admit.issuer.accounts.passwords import Match
from admit.issuer.storage import Steps
from tests.fixtures.issuer import ADA, Browser, LiveIssuer
from tests.threats.whole import events, rows

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "compare", lambda stored, password: Match.YES)


def counted(issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the transactions that are run from here on by this task, which is no job of the issuer's."""
    names: list[str] = []
    run, ours = issuer.db.run, asyncio.current_task()

    async def count(job: Any, /, *args: Any, **kwargs: Any) -> Any:
        if asyncio.current_task() is ours:
            names.append(getattr(job, "__name__", repr(job)))
        return await run(job, *args, **kwargs)

    monkeypatch.setattr(issuer.db, "run", count)
    return names


async def test_a_sign_in_is_counted_in_one_transaction_and_begun_in_another(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.get("/login")
    ran = counted(issuer, monkeypatch)
    assert (await browser.sign_in()).status_code == 303
    assert ran == ["draw", "start"]
    assert [record["event"] for record in await events(issuer)][-1] == "login.succeeded"
    assert len(await rows(issuer, "known_device")) == 1
    assert all(row["full_at"] <= issuer.clock() for row in await rows(issuer, "budget")), "given back"


async def test_who_proves_himself_again_keeps_the_session_by_two_transactions(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_in()
    ran = counted(issuer, monkeypatch)
    page = await browser.get("/login", params={"again": "1"})
    assert (await browser.submit("/login", page.text, email=ADA[0], password=ADA[1])).status_code == 303
    assert ran == ["draw", "renew"]
    assert len(await rows(issuer, "session")) == 1
    assert all(row["full_at"] <= issuer.clock() for row in await rows(issuer, "budget"))


async def test_of_a_sign_in_that_fails_after_the_hash_nothing_is_left_but_the_count(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*args: object, **kwargs: object) -> Steps[None]:
        yield from ()
        raise RuntimeError("the disk went")

    before = len(await events(issuer))
    with monkeypatch.context() as patch:
        patch.setattr(devices, "remember", fault)
        assert (await browser.sign_in()).status_code == 500
    assert await rows(issuer, "session") == await rows(issuer, "known_device") == []
    assert len(await events(issuer)) == before
    counted_still = [row["full_at"] > issuer.clock() for row in await rows(issuer, "budget")]
    assert counted_still
    assert all(counted_still)
    assert (await browser.sign_in()).status_code == 303
