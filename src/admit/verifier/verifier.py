"""`Verifier` and `AsyncVerifier`: the same core, waited for by a thread or by an event loop."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import wait

from admit.credentials import Credential
from admit.fetch import Fetcher
from admit.principal import Principal
from admit.verifier.boottime import boottime
from admit.verifier.core import Core, Pending
from admit.verifier.health import VerifierHealth
from admit.verifier.hit import plainly_first
from admit.verifier.own_loop import OWN_LOOP
from admit.verifier.sessions import SessionLookup, session_principal
from admit.verifier.trust import TrustedIssuer

# A cold start waits for keys, then for revocations; and the token may be the first of a new key.
_TURNS = 3


class _Base:
    """Construction and what needs no waiting."""

    def __init__(
        self,
        *issuers: TrustedIssuer,
        remember: int = 10_000,
        wall: Callable[[], float] = time.time,
        boottime: Callable[[], float] = boottime,
        fetcher: Fetcher | None = None,
        background: bool = True,
        state_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        """Trust these issuers. Does no I/O and binds no loop: the first use starts the following.

        `remember` bounds the tokens whose verification is remembered (0: none). `wall` is the clock for `exp` and its
        kin, `boottime` the one for all that has to do with revocation. `fetcher` replaces the one that dials out, for
        a CA file of one's own for instance; it has to allow the issuers' origins.

        Issuers are followed by daemon threads. Where a server allows none, `background=False` has the request that
        finds something due ask for it; others go on meanwhile. There is no stream of ends then, and what is due waits
        for a request.

        `state_dir` names a folder of this user alone. What was proved is kept there, so that a process that starts
        while an issuer is down goes on within the bound (on Linux, until the machine restarts), and so that a database
        that went back in time is noticed across restarts.

        Raises:
            ConfigError: no issuer, or one of them twice; a `state_dir` that is not this user's alone.
        """
        self.core = Core(
            issuers,
            remember=remember,
            wall=wall,
            boottime=boottime,
            fetcher=fetcher,
            background=background,
            state_dir=state_dir,
        )
        # As the hot path reads them.
        self.recall, self.read_new, self.wall, self.boottime = (
            self.core.recall,
            self.core.read_new,
            wall,
            boottime,
        )

    @property
    def audiences(self) -> frozenset[str]:
        """All audiences that tokens may name here."""
        return self.core.audiences

    @property
    def issuers(self) -> frozenset[str]:
        """The names of all trusted issuers."""
        return self.core.issuers

    def ready(self) -> bool:
        """Whether a good token of every issuer would be taken now. Starts the following; waits for nothing."""
        return self.core.ready()

    def health(self) -> VerifierHealth:
        """The state of each issuer. Asks nobody."""
        return self.core.health()

    def close(self) -> None:
        """Stop following."""
        self.core.close()

    async def verify_async(self, credential: str | Credential, *, now: float | None = None) -> Principal:
        """`verify` in an event loop, whichever of the two classes this is: for integrations."""
        if self.core.inline:
            return await asyncio.to_thread(self._settle, credential, now)  # it may ask, and the loop goes on
        outcome, turns = self.core.try_verify(credential, now=now), _TURNS
        while isinstance(outcome, Pending):
            turns = turns - 1 if await wait_async(outcome) else 0
            if outcome.asked is not None:
                return self.core.taken(outcome)
            outcome = self.core.settle(credential, now=now, final=turns <= 0)
        return outcome

    def verify_blocking(self, credential: str | Credential, *, now: float | None = None) -> Principal:
        """`verify` in a thread, whichever of the two classes this is: for integrations."""
        return self._settle(credential, now)

    def _settle(self, credential: str | Credential, now: float | None) -> Principal:
        outcome, turns = self.core.settle(credential, now=now), _TURNS
        while isinstance(outcome, Pending):
            turns = turns - 1 if wait([outcome.done], timeout=outcome.timeout).done else 0
            if outcome.asked is not None:
                return self.core.taken(outcome)
            outcome = self.core.settle(credential, now=now, final=turns <= 0)
        return outcome

    async def verify_session(
        self, sessions: SessionLookup, id_hash: bytes, audience: str, *, now: float | None = None
    ) -> Principal:
        """The principal of a session cookie; `id_hash` is the SHA-256 of its 32 decoded octets.

        Raises:
            SessionError: there is no such session, or it was ended: 401.
            LookupUnavailableError: it cannot be told: 503.
        """
        if self.core.inline:
            await asyncio.to_thread(self.core.tend)
        return await session_principal(self.core, sessions, id_hash, audience, now=now)

    def verify_session_blocking(
        self, sessions: SessionLookup, id_hash: bytes, audience: str, *, now: float | None = None
    ) -> Principal:
        """`verify_session` in a thread: the look-up is made in the loop that it lives in (`sessions.home`, where it
        says one), else in this process's own.

        Raises:
            SessionError: there is no such session, or it was ended: 401.
            LookupUnavailableError: it cannot be told: 503.
            ConfigError: this thread runs that very loop, which must await instead.
        """
        self.core.tend()
        return OWN_LOOP.wait_for(
            lambda: session_principal(self.core, sessions, id_hash, audience, now=now),
            home=getattr(sessions, "home", None),
        )


class Verifier(_Base):
    """Turns bearer tokens into principals, in threads.

    `Verifier(TrustedIssuer("https://id.example.com", audience="https://api.example.com"))`
    """

    @plainly_first
    def verify(self, credential: str | Credential, *, now: float | None = None) -> Principal:
        """The principal of a bearer token. Waits only while keys or revocations are fetched that it cannot do without.

        `now` is in seconds since the epoch.

        Raises:
            TokenError: the token is not good, or was revoked: 401.
            UnavailableError: keys or revocations are missing or too old: 503.
            CredentialError: there is no bearer token.
        """
        return self._settle(credential, now)


class AsyncVerifier(_Base):
    """Turns bearer tokens into principals, in an event loop, any or several of them."""

    async def verify(self, credential: str | Credential, *, now: float | None = None) -> Principal:
        """As `Verifier.verify`, without blocking the loop.

        Raises:
            TokenError: the token is not good, or was revoked: 401.
            UnavailableError: keys or revocations are missing or too old: 503.
            CredentialError: there is no bearer token.
        """
        return await self.verify_async(credential, now=now)


async def wait_async(pending: Pending) -> bool:
    """Wait in the running loop; whether it came. A waiter that is cancelled leaves the fetch to the others."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    pending.done.add_done_callback(lambda _: _notify(loop, done))
    try:
        async with asyncio.timeout(pending.timeout):
            await done.wait()
    except TimeoutError:
        return False
    return True


def _notify(loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(done.set)
