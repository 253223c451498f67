"""Argon2id in a bounded thread pool, RFC 9106 §4.

Each hash takes 19 MiB and tens of milliseconds of a core. A flood of sign-ins must neither eat the memory nor hold up
the event loop, so that few run, some wait, and more than that are refused at once.
"""

import secrets
from base64 import b64encode
from enum import Enum
from functools import cache
from typing import Final

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError

from admit.issuer.accounts import foreign
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.pepper import Pepper, bare
from admit.issuer.accounts.pool import BoundedPool
from admit.issuer.storage import Keyring

# OWASP's smallest recommended Argon2id setting: 19 MiB, two passes, one lane.
ARGON2: Final = Argon2(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16)


class Match(Enum):
    """What became of a password check. OUTDATED: right, but hashed with older parameters; hash it anew."""

    NO = "no"
    YES = "yes"
    OUTDATED = "outdated"


@cache
def dummy_hash(argon2: Argon2 = ARGON2) -> str:
    """A hash that no password has, which costs as much to check as a real one: salt and digest are random."""
    salt, digest = (b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (16, 32))
    setting = f"m={argon2.memory_cost},t={argon2.time_cost},p={argon2.parallelism}"
    return f"$argon2id$v=19${setting}${salt}${digest}"


_NOBODYS: Final = "A" * 43  # the digest of zeros, in base64


def no_password() -> str:
    """The stored hash of an account without a password: nobody's digest, at the price of any other."""
    setting = f"m={ARGON2.memory_cost},t={ARGON2.time_cost},p={ARGON2.parallelism}"
    return f"$argon2id$v=19${setting}${'A' * 22}${_NOBODYS}"


def is_no_password(stored: str) -> bool:
    """Whether a stored hash is that of an account without a password, of whatever cost."""
    return stored.endswith(f"${_NOBODYS}")


def hash_to_check(stored: str | None, dummy: str) -> str | None:
    """What to compare with: for nobody's password the dummy, so that an unknown account takes as long to refuse."""
    return dummy if stored is None else stored


def compare(stored: str, password: bytes) -> Match:
    """One computation, of Argon2 or of what the system used that the account came from. Blocks."""
    if not stored.startswith("$argon2"):
        return compare_foreign(stored, password)
    try:
        ARGON2.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return Match.NO
    return Match.OUTDATED if ARGON2.check_needs_rehash(stored) else Match.YES


def compare_foreign(stored: str, password: bytes) -> Match:
    """A hash that was imported. Where it is right it is made anew: nothing here goes on with another system's."""
    try:
        found = foreign.decode(stored)
    except foreign.ForeignHashError:  # stored by no import of this version, which would have refused it
        found = None
    return Match.OUTDATED if found is not None and found.matches(password) else Match.NO


def compute(password: bytes) -> str:
    """One Argon2 computation with a new salt. Blocks."""
    return ARGON2.hash(password)


def parameters(*, memory: int, passes: int) -> Argon2:
    """Argon2id with so many KiB and passes, one lane."""
    if (memory, passes) == (ARGON2.memory_cost, ARGON2.time_cost):
        return ARGON2
    return Argon2(time_cost=passes, memory_cost=memory, parallelism=1, hash_len=32, salt_len=16)


class PasswordHasher:
    """`threads` hashes at a time, `queue` more may wait, `patience` seconds at most; beyond, TooBusyError (503 with
    Retry-After) at once. Each network has its turn, and known devices go before strangers.

    After `close` the next use begins anew, so that an application may be started twice in one process.
    """

    def __init__(
        self,
        *,
        threads: int = 2,
        queue: int = 64,
        patience: float = 10.0,
        argon2: Argon2 = ARGON2,
        pepper: Pepper | None = None,
    ) -> None:
        self._pepper = pepper if pepper is not None else Pepper()
        self._argon2 = argon2
        self._pool = BoundedPool(threads=threads, queue=queue, patience=patience, name="admit-argon2")

    @classmethod
    def of(cls, config: AccountsConfig, keyring: Keyring | None = None) -> "PasswordHasher":
        """As the settings want it; `keyring` holds the pepper, where there is one."""
        return cls(
            threads=config.hash_threads,
            queue=config.hash_queue,
            patience=config.hash_patience.total_seconds(),
            argon2=parameters(memory=config.hash_memory, passes=config.hash_passes),
            pepper=Pepper(keyring, is_on=config.pepper),
        )

    @property
    def pool(self) -> BoundedPool:
        """Where it happens, for metrics."""
        return self._pool

    def is_ours(self, stored: str) -> bool:
        """Whether a hash has just the parameters with which new ones are made, and the same pepper."""
        hashed = bare(stored)
        return (
            hashed.startswith("$argon2")
            and self._pepper.is_current(stored)
            and not self._argon2.check_needs_rehash(hashed)
        )

    async def hash(self, password: bytes, *, network: str = "", known: bool = True) -> str:
        """The encoded hash to store. `network` and `known`: see `BoundedPool.run`.

        Raises:
            TooBusyError: too many wait already, or it has waited too long.
        """
        make = compute if self._argon2 is ARGON2 else self._argon2.hash
        head, peppered = self._pepper.added(password)
        return head + await self._pool.run(lambda: make(peppered), network=network, known=known)

    async def verify(
        self,
        stored: str | None,
        password: bytes,
        *,
        dummy: str | None = None,
        network: str = "",
        known: bool = True,
    ) -> Match:
        """Compare with a stored hash; None costs the same and is never right. `dummy`: whose cost None is to have,
        unless it is that of our own parameters.

        Raises:
            TooBusyError: too many wait already, or it has waited too long.
        """
        against = hash_to_check(stored, dummy if dummy is not None else dummy_hash(self._argon2))
        if against is None:
            return Match.NO
        # A hash whose key is not here is nobody's, at the same price.
        opened = self._pepper.opened(against, password)
        hashed, peppered = opened if opened is not None else (dummy_hash(self._argon2), password)
        match = await self._pool.run(lambda: compare(hashed, peppered), network=network, known=known)
        if stored is None or match is Match.NO:
            return Match.NO
        return Match.YES if self.is_ours(against) else Match.OUTDATED

    def close(self) -> None:
        """Let those that run end, forget those that wait."""
        self._pool.close()
