"""Deletes what is over."""

from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.store import codes, families, interactions
from admit.issuer.storage import Database, Steps

KEPT_AFTER_END = 86_400.0  # seconds


def forget(config: GrantsConfig, *, now: float) -> Steps[None]:
    """Codes after `config.kept`, interactions once expired, families a day after their end."""
    yield codes.FORGET(before=now - config.kept.total_seconds())
    yield interactions.FORGET(before=now)
    yield families.FORGET(before=now - KEPT_AFTER_END)


async def sweep(db: Database, now: float, config: GrantsConfig | None = None) -> None:
    """One round of deletion; call it every few minutes."""
    await db.run(forget, config or GrantsConfig(), now=now)
