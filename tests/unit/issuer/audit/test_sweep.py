"""How long the audit trail remembers, on both databases."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from admit.errors import ConfigError
from admit.issuer import Settings
from admit.issuer.audit import AuditEvent, record, sweep
from admit.issuer.audit.config import AuditConfig
from admit.issuer.audit.rules import FOR_GOOD
from admit.issuer.audit.store import audit
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.storage import Database, Statement, Steps
from admit.issuer.storage.pace import Pace

NOW, DAY = 1_800_000_000.0, 86_400.0
READ = Statement(select(audit).order_by(audit.c.at))


def happen(*told: tuple[AuditEvent, float], **more: Any) -> Steps[None]:
    for event, days_ago in told:
        yield record(event, now=NOW - days_ago * DAY, **more)


async def events(db: Database) -> list[str]:
    return [row["event"] for row in await db.read(READ())]


@pytest.mark.threat("O-5", off="admit.issuer.audit.rules:forgotten_before")
async def test_what_is_older_than_the_setting_goes_and_nothing_else(db: Database) -> None:
    await db.run(
        lambda: happen(
            (AuditEvent.LOGIN_FAILED, 401), (AuditEvent.LOGIN_SUCCEEDED, 399), (AuditEvent.LOGOUT, 0)
        )
    )
    assert await sweep.sweep(db, AuditConfig(), NOW) == 1
    assert await events(db) == ["login.succeeded", "logout"]
    assert await sweep.sweep(db, AuditConfig(), NOW) == 0


async def test_what_operators_did_and_what_befell_keys_clients_and_the_epoch_stays_for_good(
    db: Database,
) -> None:
    await db.run(lambda: happen(*((event, 4_000) for event in AuditEvent)))
    await db.run(lambda: happen((AuditEvent.USER_DISABLED, 4_000), actor="cli"))
    await sweep.sweep(db, AuditConfig(), NOW)
    assert sorted(await events(db)) == sorted([*(event.value for event in FOR_GOOD), "user.disabled"])


@pytest.mark.threat("O-5", off="admit.issuer.audit.rules:forgotten_before")
async def test_nothing_goes_where_everything_is_kept(db: Database) -> None:
    await db.run(lambda: happen((AuditEvent.LOGIN_FAILED, 40_000)))
    assert await sweep.sweep(db, AuditConfig(kept=timedelta(0)), NOW) == 0
    assert await events(db) == ["login.failed"]


async def test_more_than_one_transaction_takes_goes_in_several(db: Database) -> None:
    many = 2 * Pace().rows + 1
    await db.run(
        lambda: happen(
            *((AuditEvent.TOKEN_ISSUED, 500) for _ in range(many)),  # told at once
            *((AuditEvent.TOKEN_ISSUED, 500 + n) for n in range(many)),
            *((AuditEvent.KEY_REVOKED, 500 + n) for n in range(many)),
            (AuditEvent.LOGOUT, 0),
        )
    )
    assert await sweep.sweep(db, AuditConfig(), NOW) == 2 * many
    assert Counter(await events(db)) == {AuditEvent.KEY_REVOKED: many, AuditEvent.LOGOUT: 1}


def test_the_trail_is_never_shorter_than_what_is_in_force() -> None:
    settings = Settings(issuer="https://id.example.com", audit=AuditConfig(kept=timedelta(days=90)))
    with pytest.raises(ConfigError, match=r"audit\.kept must not be shorter"):
        replace(settings, grants=GrantsConfig(refresh_absolute=timedelta(days=91)))
    with pytest.raises(ConfigError, match="negative"):
        AuditConfig(kept=timedelta(days=-1))
