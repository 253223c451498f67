"""What an issuer does by itself while it runs. Each job survives a database that is away, and says so once a minute."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from admit.errors import AdmitError
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.sweep import sweep as sweep_grants
from admit.issuer.keys import SigningKeys
from admit.issuer.oauth.services import Services
from admit.issuer.revocation import Sweeper

log = logging.getLogger("admit.issuer.jobs")

KEYS_EVERY = 5.0
TURN_EVERY = 3_600.0
SWEEP_EVERY = 300.0


async def repeat(work: Callable[[], Awaitable[object]], *, every: float, name: str) -> None:
    """Until cancelled: work, then pause `every` seconds. What fails is told and tried again at the next turn."""
    while True:
        try:
            await work()
        except AdmitError as error:
            log.warning("job failed", extra={"job": name, "code": error.code})
        except Exception:
            log.exception("job failed", extra={"job": name})
        await asyncio.sleep(every)


async def keep_keys(keys: SigningKeys, *, clock: Callable[[], float]) -> None:
    """Learn what other nodes did with the keys, and turn them when it is time."""
    turned = float("-inf")

    async def work() -> None:
        nonlocal turned
        now = clock()
        if not 0 <= now - turned < TURN_EVERY:
            await keys.advance(now)
            turned = now
        else:
            await keys.refresh(now)

    await repeat(work, every=KEYS_EVERY, name="keys")


async def sweep(services: Services, grants: GrantsConfig, *, clock: Callable[[], float]) -> None:
    """Forget codes, interactions and sessions that are over."""

    async def work() -> None:
        now = clock()
        await sweep_grants(services.db, now, grants)
        await services.sessions.sweep(now)

    await repeat(work, every=SWEEP_EVERY, name="sweep")


async def sweep_families(sweeper: Sweeper, *, clock: Callable[[], float]) -> None:
    """Forget families that are over, and take lists out of use that hold no others."""
    await repeat(lambda: sweeper.turn(clock()), every=SWEEP_EVERY, name="families")
