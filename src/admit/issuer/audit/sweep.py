"""Forgets what the audit trail is not to remember any longer, the oldest first, some rows at a time."""

import asyncio
from typing import Final

from admit.issuer.audit import rules
from admit.issuer.audit.config import AuditConfig
from admit.issuer.audit.store import AT_ONCE, forget
from admit.issuer.storage import Database

_SHORTEST_PAUSE: Final = 0.002  # seconds


async def sweep(db: Database, config: AuditConfig, now: float) -> int:
    """Delete all that is over; how many rows. It is idle for at least as long as it works.

    Raises:
        StorageUnavailableError: not reached; what was deleted until then is.
    """
    before = rules.forgotten_before(config, now)
    if before is None:
        return 0
    loop, deleted = asyncio.get_running_loop(), 0
    while True:
        began = loop.time()
        some = await db.run(forget, before)
        deleted += some
        if some < AT_ONCE:
            return deleted
        await asyncio.sleep(max(_SHORTEST_PAUSE, loop.time() - began))
