"""What this very process's own verifier goes by: keys and ends from the database, with no HTTP to oneself."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from admit.issuer.keys import SigningKeys
from admit.issuer.revocation import StatusService, StatusState
from admit.verifier import AsyncVerifier, InProcessSource, TrustedIssuer

SETTLED_WITHIN: Final = 1.0  # seconds; later than that the verifier's own bound is what holds


class Feed:
    """A source that is told what the database says, by `publish`."""

    def __init__(
        self, status: StatusService, keys: SigningKeys, *, issuer: str, clock: Callable[[], float]
    ) -> None:
        self.source = InProcessSource()
        self._status = status
        self._keys = keys
        self._issuer = issuer
        self._clock = clock
        self._published = asyncio.Event()

    def verifier(self, audiences: Sequence[str]) -> AsyncVerifier:
        """One that takes this issuer's tokens for these resources."""
        return AsyncVerifier(
            TrustedIssuer(self._issuer, audience=audiences, source=self.source), wall=self._clock
        )

    async def once(self) -> None:
        """Tell it what the database says now."""
        began = self.source.now()
        self.publish(await self._status.refresh(), began)

    def publish(self, state: StatusState, as_of: float) -> None:
        """Tell it what was read from the database, which was begun at `as_of` of the source's own clock."""
        self.source.publish(
            keys=self._keys.snapshot.published(),
            state=state,
            issuer=self._issuer,
            as_of=as_of,
            wall=self._clock(),
        )
        self._published.set()

    async def settle(self) -> None:
        """Wait, for a moment at most, until it was told what the database says now. Who tells it is woken by each end,
        and is the only one that may.
        """
        state = await self._status.refresh()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLED_WITHIN):
                while not self.source.has_seen(state, self._keys.snapshot.published()):
                    self._published.clear()
                    await self._published.wait()
