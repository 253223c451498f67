"""What an issuer does by itself: sweep what strangers leave behind, and say that it cannot, but not all the time."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from admit.errors import AdmitError, StorageUnavailableError
from admit.issuer.app import jobs
from admit.issuer.storage import Statement, bound_once
from admit.issuer.throttle import take
from admit.issuer.throttle.budgets.store import budget
from tests.fixtures.issuer import ADA, LiveIssuer

COUNTERS = Statement(select(func.count().label("n")).select_from(budget))


async def counters(issuer: LiveIssuer) -> int:
    count: int = (await issuer.db.run(bound_once, COUNTERS()))[0]["n"]
    return count


async def sweep(issuer: LiveIssuer) -> None:
    settings = issuer.settings
    await jobs.sweep_once(issuer.services, settings.grants, settings.accounts, issuer.clock())


async def test_counted_tries_are_forgotten_when_no_window_needs_them(issuer: LiveIssuer) -> None:
    browser = issuer.browser()
    page = await browser.get("/login")
    for name in ("a", "b", "c"):
        await browser.submit("/login", page.text, email=f"{name}@example.com", password="not a password")
    before = await counters(issuer)
    assert before == 3 * 2 + 1 + 1, "two an account, one for the network, one for everybody"
    await sweep(issuer)
    assert await counters(issuer) == before, "they still count"
    issuer.clock.advance(3_601)
    await sweep(issuer)
    assert await counters(issuer) == 0


async def test_a_count_is_kept_for_as_long_as_its_window_whatever_the_settings(issuer: LiveIssuer) -> None:
    long = timedelta(hours=3)
    grants = replace(issuer.settings.grants, interaction_lifetime=long)
    one: dict[str, Any] = {"bucket": "interaction:one", "limit": 1, "window": long}
    assert (await issuer.db.run(take, **one, now=issuer.clock())).allowed
    issuer.clock.advance(2 * 3_600)
    await jobs.sweep_once(issuer.services, grants, issuer.settings.accounts, issuer.clock())
    assert not (await issuer.db.run(take, **one, now=issuer.clock())).allowed


async def test_what_cannot_be_swept_does_not_keep_the_rest_from_being_swept(issuer: LiveIssuer) -> None:
    """A row that nobody foresaw must not let strangers fill all other tables."""
    browser = issuer.browser()
    page = await browser.get("/login")
    await browser.submit("/login", page.text, email="a@example.com", password="not a password")
    await issuer.db.run(bound_once, Statement(text("ALTER TABLE interaction RENAME TO elsewhere"))())
    issuer.clock.advance(3_601)
    with pytest.raises(AdmitError, match="no such table"):
        await sweep(issuer)
    assert await counters(issuer) == 0


async def test_one_turn_ends_all_idle_sessions_however_many(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admit.issuer.sessions.driver.SWEEP_AT_ONCE", 2)
    tokens = [await issuer.browser().tokens() for _ in range(5)]
    issuer.clock.advance(8 * 3_600 + 61)
    await sweep(issuer)
    state = await issuer.status.refresh()
    ended = sum(bits.bitmap[i].bit_count() for bits in state.lists.values() for i in range(len(bits.bitmap)))
    assert ended == 2 * len(tokens), "each session, and the grant under it"


async def test_what_fails_is_tried_again_and_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    tries = 0
    enough = asyncio.Event()

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries >= 20:
            enough.set()
        raise StorageUnavailableError("away")

    with caplog.at_level(logging.WARNING):
        task = asyncio.create_task(jobs.repeat(work, every=0, name="test"))
        await enough.wait()
        task.cancel()
    [told] = caplog.records
    assert vars(told)["detail"] == "away"


async def test_an_issuer_that_was_stopped_starts_again_in_the_same_process(issuer: LiveIssuer) -> None:
    assert (await issuer.browser().sign_in(ADA)).headers["location"] == "/account"
    await issuer.stop()
    await issuer.start()
    assert (await issuer.browser().sign_in(ADA)).headers["location"] == "/account"
