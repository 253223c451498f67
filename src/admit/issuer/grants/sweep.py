"""Deletes what is over, some rows at a time."""

from typing import Final

from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.store import answers, codes, families, flows, interactions, pushed
from admit.issuer.storage import Database

KEPT_AFTER_END: Final = 86_400.0  # seconds


async def sweep(db: Database, now: float, config: GrantsConfig | None = None) -> None:
    """Codes after `config.kept`, interactions and flows once expired, pushed requests when what they began is too,
    families a day after their end. Call it every few minutes.

    Raises:
        StorageUnavailableError: not reached; the next call goes on.
    """
    config = config if config is not None else GrantsConfig()
    await codes.FORGET.delete_all(db, before=now - config.kept.total_seconds())
    # As long as the transaction that one began may be answered.
    await pushed.FORGET.delete_all(db, before=now - config.interaction_lifetime.total_seconds())
    await interactions.FORGET.delete_all(db, before=now)
    await answers.FORGET.delete_all(db, before=now)
    await flows.FORGET.delete_all(db, before=now)
    await families.FORGET.delete_all(db, before=now - KEPT_AFTER_END)
