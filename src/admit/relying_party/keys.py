"""A provider's keys: fetched when first needed, renewed, and asked for again when a token names a new one."""

import os
import threading
import weakref
from typing import Final

from admit.client.errors import ServerUnavailableError
from admit.client.exchange import Ask, Pause, Talk, ask
from admit.errors import FetchError, InvalidKeyError
from admit.jose import JWKSet
from admit.jose.jwks import MAX_SIZE
from admit.relying_party.provider import Provider
from admit.verifier import keys as published

FRESH: Final = 300.0
STALE: Final = 86_400.0
"""Seconds for which old keys serve while new ones cannot be had."""
COOL_DOWN: Final = 10.0
"""Seconds between fetches that an unknown `kid` or a failure forces."""


_ALL: "weakref.WeakSet[ProviderKeys]" = weakref.WeakSet()

_LOOK: Final = 0.03
_LOOKS: Final = 500


class ProviderKeys:
    """The keys of one provider. Threads and event loops share an instance; one of them fetches, and others wait."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._held: tuple[JWKSet, float] | None = None
        self._tried_at: float | None = None
        self._failed = False
        self._fetching = threading.Lock()
        _ALL.add(self)

    def renew_after_fork(self) -> None:
        """Who was fetching is not in a forked child: it may ask at once, and need not wait."""
        if self._fetching.locked():
            self._fetching, self._tried_at, self._failed = threading.Lock(), None, False

    def get(self, *, renewed: bool = False) -> Talk[JWKSet]:
        """The keys. `renewed`: ask for them again, since one is missing; not more often than each 10 seconds.

        Raises:
            ServerUnavailableError: they cannot be had, or could not 10 seconds ago.
            IssuerError: the metadata is another issuer's.
        """
        for _ in range(_LOOKS):
            now, held = self._provider.client.server.clock(), self._held
            if held is not None and 0 <= now - held[1] < FRESH and not renewed:
                return held[0]
            if self._fetching.acquire(blocking=False):
                try:
                    return (yield from self._asked(now))
                finally:
                    self._fetching.release()
            yield Pause(_LOOK)
        raise ServerUnavailableError("the provider's keys take too long")

    def _asked(self, now: float) -> Talk[JWKSet]:
        """The keys that are fetched now, or those at hand where they were asked for a moment ago."""
        held = self._held  # another may have fetched them before the lock was had
        serves = held is not None and 0 <= now - held[1] < STALE
        if self._tried_at is not None and 0 <= now - self._tried_at < COOL_DOWN:
            if held is not None and serves:
                return held[0]
            if self._failed:
                raise ServerUnavailableError("the provider's keys could not be had a moment ago")
        self._tried_at, self._failed = now, True
        try:
            found = yield from self._fetched()
        except ServerUnavailableError:
            if held is None or not serves:
                raise
            return held[0]
        self._held, self._failed = (found, now), False
        return found

    def _fetched(self) -> Talk[JWKSet]:
        provider = self._provider
        server = provider.client.server
        metadata = yield from server.metadata()
        if metadata.jwks_uri is None:
            raise ServerUnavailableError("the provider's metadata names no jwks_uri")
        headers = {"accept": "application/jwk-set+json, application/json"}
        try:
            response = yield from ask(
                Ask(
                    fetcher=server.fetcher,
                    method="GET",
                    url=metadata.jwks_uri,
                    headers=headers,
                    max_bytes=MAX_SIZE,
                    repeat=True,
                )
            )
            if response.status != 200:
                raise ServerUnavailableError("the provider's keys were not given")
            view = published.read(
                response.body,
                issuer=provider.issuer,
                rsa_alg=provider.rsa_alg,
                okp_alg=provider.okp_alg,
                algorithms=provider.algorithms,
                admit=False,
                revoked=frozenset(),
                fetched_at=0.0,
            )
        except (FetchError, InvalidKeyError) as error:
            raise ServerUnavailableError(f"the provider's keys: {error.detail}") from error
        assert isinstance(view.tokens, JWKSet)
        return view.tokens


def _after_fork() -> None:
    for keys in list(_ALL):
        keys.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
