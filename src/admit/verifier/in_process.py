"""An issuer in this very process: its own task hands over keys and revocations, with no thread, HTTP or signature."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Protocol

from admit.jose import JWK, JWKSet
from admit.tokens.kinds import STATUS_KID
from admit.tokens.status_head import Head
from admit.verifier import freshness
from admit.verifier.boottime import boottime
from admit.verifier.snapshot import IssuerSnapshot, KeyView


class State(Protocol):
    """What the issuer's publisher knows at one moment: for each list its version and its bitmap."""

    @property
    def epoch(self) -> int: ...
    @property
    def seq(self) -> int: ...
    @property
    def lists(self) -> Mapping[int, tuple[str, bytes]]: ...
    @property
    def revoked_kids(self) -> frozenset[str]: ...


class InProcessSource:
    """Fed by the issuer's own task; the rules of freshness and roll-back are those of every verifier.

    Read `now()` before the database is read, and hand that moment over: what was read is good as of then.
    """

    started = True
    last_error: str | None = None
    keys_error: str | None = None

    def __init__(self, *, clock: Callable[[], float] = boottime) -> None:
        self.now = clock
        self.snapshot = IssuerSnapshot()

    def publish(self, *, keys: JWKSet, state: State, issuer: str, as_of: float, wall: float) -> None:
        """Take what the issuer read. Called by one task. `as_of` is `now()` and `wall` the time before the reading."""
        head = Head(
            issuer=issuer,
            nonce="",
            iat=wall,
            epoch=state.epoch,
            seq=state.seq,
            lists={n: version for n, (version, _) in state.lists.items()},
            revoked_kids=state.revoked_kids,
        )
        held = freshness.take_head(self.snapshot.held, head, as_of)
        received = {n: state.lists[n][1] for n in freshness.wanted(held, head)}
        held = freshness.take_lists(held, head, received, as_of, named=True)
        self.snapshot = IssuerSnapshot(self._keys(keys, held.revoked_kids), held)

    def has_seen(self, state: State, keys: JWKSet) -> bool:
        """Whether every end and every revoked key of `state`, and each good one of `keys`, is known here by now."""
        held, view = self.snapshot.held, self.snapshot.keys
        if (held.epoch, held.seq) < (state.epoch, state.seq) or not state.revoked_kids <= held.revoked_kids:
            return False
        known = (
            {key.kid for key in view.tokens}
            if view is not None and isinstance(view.tokens, JWKSet)
            else set()
        )
        return {key.kid for key in _good(keys, held.revoked_kids)} <= known

    def _keys(self, keys: JWKSet, revoked: frozenset[str]) -> KeyView:
        good = _good(keys, revoked)
        old = self.snapshot.keys
        # The same object as long as nothing changed: remembered tokens are dropped with their keys.
        if old is not None and isinstance(old.tokens, JWKSet) and list(old.tokens) == good:
            return old
        return KeyView(JWKSet(good), JWKSet([]), None)

    def start(self) -> None:
        """Nothing to start: the issuer's own task drives it."""

    def pending(self) -> Future[None] | None:
        """Nobody to wait for."""
        return None

    def force_keys(self, kid: str) -> Future[None] | None:
        """The issuer hands keys over by itself."""
        return None

    def force_poll(self) -> Future[None] | None:
        """The issuer hands revocations over by itself."""
        return None

    def close(self) -> None:
        """Nothing to close."""


def _good(keys: JWKSet, revoked: frozenset[str]) -> list[JWK]:
    """Those that may verify tokens."""
    return [key for key in keys if key.kid not in revoked and not (key.kid or "").startswith(STATUS_KID)]
