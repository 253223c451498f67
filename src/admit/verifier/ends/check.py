"""How a verifier holds tokens against a store of ends, at each use."""

from concurrent.futures import Future
from typing import TYPE_CHECKING

from admit.errors import ClaimError, ExpiredTokenError, RevokedError, StaleRevocationError
from admit.principal import Principal
from admit.verifier.ends.store import EndStore

if TYPE_CHECKING:
    from admit.verifier.remembered import Remembered


class EndCheck:
    """One issuer's ends, asked for one token after another. No I/O."""

    __slots__ = ("store",)

    def __init__(self, store: EndStore) -> None:
        self.store = store

    def check(self, principal: Principal, iat: float | None, boot: float) -> None:
        """Refuse what was ended, as far as that is known, and everything once it is not known any more.

        Raises:
            RevokedError: the token was ended.
            StaleRevocationError: the store was not read within its bound.
        """
        view = self.store.view
        check_ended(
            view.is_ended(principal.issuer, principal.subject, principal.session_id, principal.token_id, iat)
        )
        check_read(self.store)

    def lets(self, entry: "Remembered") -> bool:
        """For the hot path: whether `check` would pass. The same view has the same answer, so it is asked once."""
        store = self.store
        view = store.view
        if entry.ends_cleared is not view.stamp:
            who = entry.principal
            if view.is_ended(who.issuer, who.subject, who.session_id, who.token_id, entry.iat):
                return False
            entry.ends_cleared = view.stamp
        return store.is_fresh()

    def check_vouched(self, principal: Principal, since: float | None) -> None:
        """The same for what the issuer itself vouches for: a session looked up, an opaque token asked about.

        `since` is when it began, in seconds since the epoch; not knowing it is as if it had begun long ago.

        So nothing is refused here merely because the store was lost; what is held counts all the same.

        Raises:
            RevokedError: it was ended.
            StaleRevocationError: the store was not read within its bound.
        """
        view = self.store.view
        check_ended(
            view.names(principal.issuer, principal.subject, principal.session_id, principal.token_id, since)
        )
        check_read(self.store)

    def expires(self, iat: float | None, wall: float, leeway: float) -> float:
        """When a token is too old to be taken: by then its end may be forgotten. Seconds since the epoch.

        Raises:
            ClaimError: it does not say when it was issued.
            ExpiredTokenError: that moment has come.
        """
        if iat is None:
            raise ClaimError("iat", "an issuer with a store of ends has to say when a token was issued")
        expires = iat + self.store.keep + leeway
        check_remembered(wall, expires)
        return expires

    def pending(self) -> Future[None] | None:
        """A reading of the store to wait for, where it is not fresh. Starts it where that was not done."""
        return None if self.store.is_fresh() else self.store.pending()


def check_ended(ended: bool) -> None:
    """Raise RevokedError for what was ended."""
    if ended:
        raise RevokedError("the issuer told that this was ended")


def check_read(store: EndStore) -> None:
    """Raise StaleRevocationError where the store was not read within its bound: an end may be missing."""
    if not store.is_fresh():
        raise StaleRevocationError("the store of ends could not be read within max_staleness")


def check_remembered(wall: float, expires: float) -> None:
    """Raise ExpiredTokenError for a token so old that its end may have been forgotten."""
    if not wall < expires:
        raise ExpiredTokenError("iat", "the token is older than ends are kept")
