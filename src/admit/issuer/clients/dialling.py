"""What is opened in the egress guard, and for whose addresses.

An address in the settings, or one that an operator added, is the operator's word; one that a client says of itself is a
stranger's. What `egress.allow` opens is for the first alone: else who registers could have us call what lies inside.
"""

from collections.abc import Awaitable, Callable

from admit.fetch import Fetcher


class Dialling:
    """The fetcher for what a client names. `own` has `egress.allow` open, `strangers` has `egress.allow_strangers`."""

    def __init__(
        self, own: Fetcher, strangers: Fetcher, *, is_configured: Callable[[str], Awaitable[bool]]
    ) -> None:
        self._own = own
        self._strangers = strangers
        self._is_configured = is_configured

    async def of(self, client_id: str) -> Fetcher:
        """By whom the client is known."""
        return self._own if may_dial_inside(await self._is_configured(client_id)) else self._strangers


def may_dial_inside(configured: bool) -> bool:
    """Whether what is opened for an operator's addresses is open for this client's."""
    return configured
