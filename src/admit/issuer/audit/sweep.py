"""Forgets what the audit trail is not to remember any longer, the oldest first, some rows at a time."""

from functools import partial
from math import inf

from admit.issuer.audit import rules
from admit.issuer.audit.config import AuditConfig
from admit.issuer.audit.store import OLDEST, forget
from admit.issuer.storage import Database
from admit.issuer.storage.pace import Pace
from admit.issuer.storage.portions import portion


async def sweep(db: Database, config: AuditConfig, now: float) -> int:
    """Delete all that is over; how many rows. It rests for longer than it works.

    Raises:
        StorageUnavailableError: not reached; what was deleted until then is.
    """
    before = rules.forgotten_before(config, now)
    if before is None:
        return 0
    pace, since, deleted = Pace(), -inf, 0
    while rows := await db.read_apart(OLDEST(since=since, before=before, count=pace.rows)):
        since, last = rows[0]["at"], rows[-1]["at"]
        deleted += await portion(db, pace, len(rows), partial(forget, since, last, len(rows)))
    return deleted
