"""What an issuer does by itself while it runs. Each job survives a database that is away, and says so once a minute."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from admit.errors import AdmitError
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.app.counting import COUNTS, JobCounts
from admit.issuer.app.event_stream import server_is_stopping
from admit.issuer.audit.config import AuditConfig
from admit.issuer.audit.events import Events
from admit.issuer.audit.sweep import sweep as sweep_trail
from admit.issuer.clients.driver import Clients
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.sweep import sweep as sweep_grants
from admit.issuer.keys import SigningKeys
from admit.issuer.oauth.backchannel import Teller
from admit.issuer.oauth.client_auth.store import sweep as sweep_assertions
from admit.issuer.oauth.refusals import WINDOW as REFUSALS_WINDOW
from admit.issuer.oauth.services import Services
from admit.issuer.outbox import Courier
from admit.issuer.outbox.kinds import LONGEST_WINDOW
from admit.issuer.outbox.posting import forget_old as forget_mails
from admit.issuer.revocation import Stream, Sweeper
from admit.issuer.storage import Database
from admit.issuer.throttle import forget_old

log = logging.getLogger("admit.issuer.jobs")

KEYS_EVERY = 5.0
RESOURCES_EVERY = 5.0
TURN_EVERY = 3_600.0
SWEEP_EVERY = 300.0
MAILS_EVERY = 1.0
TOLD_EVERY = 60.0
STOPPING_EVERY = 0.1


async def repeat(work: Callable[[], Awaitable[object]], *, every: float, name: str) -> None:
    """Until cancelled: work, then pause `every` seconds. What fails is told and tried again at the next turn."""
    loop = asyncio.get_running_loop()
    told: float | None = None
    counts = COUNTS.get()
    noted = counts.job(name) if counts is not None else JobCounts()
    while True:
        began = loop.time()
        noted.turns += 1
        try:
            await work()
            told = None
            noted.last_good, noted.seconds = time.time(), loop.time() - began
        except AdmitError as error:
            noted.failures += 1
            if told is None or loop.time() - told >= TOLD_EVERY:
                log.warning("job failed", extra={"job": name, "code": error.code, "detail": error.detail})
                told = loop.time()
        except Exception:
            noted.failures += 1
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


async def keep_resources(clients: Clients) -> None:
    """Learn which resources the database has now. They are few, and asked for at each token."""
    await repeat(clients.read_resources, every=RESOURCES_EVERY, name="resources")


async def sweep(
    services: Services, grants: GrantsConfig, accounts: AccountsConfig, *, clock: Callable[[], float]
) -> None:
    """Forget codes, interactions, sessions and counted tries that are over."""
    await repeat(lambda: sweep_once(services, grants, accounts, clock()), every=SWEEP_EVERY, name="sweep")


async def sweep_once(services: Services, grants: GrantsConfig, accounts: AccountsConfig, now: float) -> None:
    """One turn of it. Strangers make rows of all these, so that none may stay for good: where one kind cannot be swept
    the others are, and then it is told.
    """
    longest: timedelta = max(
        services.factors.config.tries_window,
        accounts.tries_window,
        accounts.signups_window,
        grants.interaction_lifetime,
        REFUSALS_WINDOW,
        LONGEST_WINDOW,
    )
    parts: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: sweep_grants(services.db, now, grants),
        lambda: sweep_assertions(services.db, now),
        lambda: services.sessions.sweep(now),
        lambda: services.accounts.sweep(now),
        lambda: services.links.sweep(now),
        lambda: services.consents.sweep(now),
        lambda: services.factors.sweep(now),
        lambda: services.clients.sweep(now),
        lambda: services.db.run(forget_mails, now),
        lambda: forget_old(services.db, before=now - longest.total_seconds()),
    )
    trouble: Exception | None = None
    for part in parts:
        try:
            await part()
        except Exception as error:
            trouble = trouble or error
    if trouble is not None:
        raise trouble


async def sweep_audit(db: Database, config: AuditConfig, *, clock: Callable[[], float]) -> None:
    """Forget what the audit trail is not to remember any longer."""
    await repeat(lambda: sweep_trail(db, config, clock()), every=SWEEP_EVERY, name="audit")


async def send_mails(courier: Courier) -> None:
    """Send what is due. Looking for it costs one read of an index."""
    await repeat(courier.turn, every=MAILS_EVERY, name="mail")


async def tell_application(events: Events) -> None:
    """Tell the application what happened. Looking for it costs one write, and one read of the last minute."""
    await repeat(events.turn, every=MAILS_EVERY, name="events")


async def tell_clients(teller: Teller) -> None:
    """Tell clients of the ends of sessions. Looking for them costs one read of an index."""
    await repeat(teller.begin, every=MAILS_EVERY, name="backchannel")


async def sweep_families(sweeper: Sweeper, *, clock: Callable[[], float]) -> None:
    """Forget families that are over, and take lists out of use that hold no others."""
    await repeat(lambda: sweeper.turn(clock()), every=SWEEP_EVERY, name="families")


async def end_streams(stream: Stream, *, stopping: Callable[[], bool] = server_is_stopping) -> None:
    """Close the event streams as soon as the server is to stop: it would wait for them before it says so to anybody."""
    while True:
        if stream.open_streams and stopping():
            stream.end()
        await asyncio.sleep(STOPPING_EVERY)
