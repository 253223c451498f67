"""`KnownDevices`: which browsers a user signed in with before."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.devices import rules, store, transactions
from admit.issuer.accounts.records import User
from admit.issuer.storage import Database, Steps


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A browser's secret that nobody knows yet. `known_to` is what makes the browser known to a user, for the
    transaction of the sign-in; run twice it does no more than once.
    """

    raw: bytes
    known_to: Callable[[User], Steps[None]]

    def __repr__(self) -> str:
        return "NewSecret(...)"


class KnownDevices:
    """A device is a browser with a secret of 32 random octets, kept as its SHA-256. It is known to a user as long as
    the password is the one that it was signed in with, and for `device_life` since the last sign-in with it.
    """

    def __init__(self, db: Database, config: AccountsConfig) -> None:
        self._db = db
        self._config = config

    async def find(self, raw: bytes | None, user: User | None, now: float) -> bytes | None:
        """The hash of a browser's secret, if the browser is known to the user. None for a stranger."""
        if raw is None:
            return None
        row = await self._db.one(
            store.FIND(
                token_hash=rules.hash_token(raw),
                user_id=user.id if user is not None else "",
                version=user.credential_version if user is not None else 0,
                since=now - self._config.device_life.total_seconds(),
            )
        )
        found: bytes | None = row["token_hash"] if row is not None else None
        return found if rules.is_known(found) else None

    async def remember(self, user: User, raw: bytes | None, *, now: float) -> bytes:
        """Make a browser known to a user who has just signed in with it, or proved to read the account's mail.

        Returns the browser's new secret, for its cookie. `raw` is the one that it came with, which is worth nothing
        from here: what somebody else planted, or read, is no device of the user's.
        """
        new = self.new_secret(raw, now=now)
        await self._db.run(new.known_to, user)
        return new.raw

    def new_secret(self, raw: bytes | None, *, now: float) -> NewSecret:
        """What `remember` does, to be done along with something else."""
        new = secrets.token_bytes(rules.RAW_BYTES)
        known_to = partial(
            transactions.remember,
            id="d_" + secrets.token_urlsafe(12),
            old_hash=rules.hash_token(raw) if raw is not None else None,
            new_hash=rules.hash_token(new),
            count=self._config.devices_per_account,
            now=now,
        )
        return NewSecret(new, known_to)

    async def forget(self, user_id: str) -> int:
        """Make all of a user's browsers strangers; how many were known."""
        return await self._db.run(transactions.forget, user_id)

    async def sweep(self, now: float) -> None:
        """Forget what nobody signed in with for longer than `device_life`."""
        await store.PORTIONS.delete_all(self._db, before=now - self._config.device_life.total_seconds())
