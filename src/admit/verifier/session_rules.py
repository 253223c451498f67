"""Sessions that were looked up, held against the same bits and ends as tokens."""

from collections.abc import Callable

from admit.credentials.lookup import StatusRef
from admit.errors import LookupUnavailableError, RevokedError, SessionError
from admit.principal import Principal
from admit.tokens import status_list
from admit.verifier import freshness
from admit.verifier.hit import Known


def check(
    known: Known | None,
    principal: Principal,
    status: StatusRef,
    *,
    cached: bool,
    wall: float,
    boottime: Callable[[], float],
) -> None:
    """What `Core.check_session` promises. `known` is the principal's issuer, None where that is not trusted.

    Raises:
        SessionError: the session was ended, or is not one of a trusted issuer.
        LookupUnavailableError: the look-up named a position that no list has.
        StaleRevocationError: a kept look-up, and what is held of revocations is too old.
    """
    if known is None:
        raise SessionError("the session is one of an issuer that is not trusted here")
    if known.ends is not None:
        try:
            known.ends.check_vouched(principal, principal.auth_time)
        except RevokedError:
            raise SessionError("the session was ended") from None
    terms = known.trust.follows
    if terms is None:
        return
    if not known.source.started:
        known.source.start()
    if status.position >= status_list.ENTRIES:
        raise LookupUnavailableError("the session's status position is none")
    held = known.source.snapshot.held
    try:
        freshness.check_bit(held, *status)
    except RevokedError:
        raise SessionError("the session was ended") from None
    if cached:
        freshness.check_current(held, status.list, None, wall, boottime(), terms)
