"""Who keeps the accounts: Admit's own tables, or the application that the issuer is part of (contracts §9)."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from admit.errors import ConfigError, UnavailableError
from admit.issuer.accounts.driver import Accounts
from admit.issuer.accounts.elsewhere import protocol
from admit.issuer.accounts.elsewhere.driver import AccountsElsewhere
from admit.issuer.accounts.passwords import PasswordHasher
from admit.issuer.accounts.policy import host_words
from admit.issuer.app.settings import Settings
from admit.issuer.outbox import Outbox
from admit.issuer.revocation import Lists
from admit.issuer.storage import Database

log = logging.getLogger("admit.issuer.accounts")


def accounts_of(
    settings: Settings,
    db: Database,
    lists: Lists,
    hasher: PasswordHasher,
    *,
    outbox: Outbox,
    kept_by: protocol.Accounts[Any] | None,
    clock: Callable[[], float],
) -> Accounts:
    """What the issuer asks about people.

    Raises:
        ConfigError: a setting that is only for accounts of Admit's own.
    """
    config = settings.accounts
    if kept_by is None:
        known = (settings.name, host_words(settings.issuer))
        return Accounts(db, lists, hasher, config, known=known, outbox=outbox)
    if config.require_verified_email:
        raise ConfigError(
            "accounts.require_verified_email: the application keeps the accounts, so let it refuse whom it wants"
        )
    return AccountsElsewhere(db, lists, hasher, config, source=kept_by, clock=clock)


class Looks:
    """Looks at accounts that changed, on the word of any thread, while the issuer runs."""

    def __init__(self, look: Callable[..., Awaitable[None]]) -> None:
        self._look = look
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """In the loop that looks."""
        self._loop = asyncio.get_running_loop()

    def soon(self, *subjects: str) -> None:
        """Have these looked at; nothing where nothing runs."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # that loop is closed
                self._loop.call_soon_threadsafe(self._begin, subjects)

    def _begin(self, subjects: tuple[str, ...]) -> None:
        task = asyncio.get_running_loop().create_task(self._do(subjects))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _do(self, subjects: tuple[str, ...]) -> None:
        try:
            await self._look(*subjects)
        except UnavailableError as error:  # nothing is believed of them until somebody says
            log.warning("an account that changed was not looked at", extra={"code": error.code})

    async def stop(self) -> None:
        """Leave what is under way: what serves elsewhere, or from now on, asks anew."""
        self._loop = None
        under_way = tuple(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
