"""THE HOT PATH: a remembered token is used again. Each request of an API comes by here.

The rules, one by one and with a reason for each refusal, are in `core`, `freshness` and `keys`. What is here only ever
says yes, and only where all of them would; anything else it hands on to them. So it may be left out, and nothing but
speed is lost. `benchmarks/verifier` tells what a change costs.
"""

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from admit.credentials import BearerCredential
from admit.verifier import keys as key_rules
from admit.verifier.ends.check import EndCheck
from admit.verifier.snapshot import IssuerSnapshot, Source
from admit.verifier.trust import Revocation, TrustedIssuer

if TYPE_CHECKING:
    from admit.principal import Principal
    from admit.verifier.remembered import Remembered

F = TypeVar("F", bound=Callable[..., Any])

NO_LIST = -1
"""In place of a list's number where a token's revocation is not followed."""

# A copy of a hash that is ready saves the look-up of its algorithm, a tenth of the whole.
new_hash = sha256().copy


class Standing:
    """One snapshot, laid out for the question whether a token is still good. Nobody changes it.

    Its keys and revocations are good at boot times from `since` to `until`. `stamp` stands for it where holding it
    would keep its lists in memory.
    """

    __slots__ = ("_bitmaps", "_keys", "_kids", "since", "snapshot", "stamp", "until")

    def __init__(self, snapshot: IssuerSnapshot, terms: Revocation | None) -> None:
        view, held = snapshot.keys, snapshot.held
        self.snapshot = snapshot
        self.stamp = object()
        self.since, self.until = -inf, inf
        if view is not None and view.fetched_at is not None:
            self.since, self.until = view.fetched_at, view.fetched_at + key_rules.MAX_STALE
        if terms is not None:
            fresh_at = inf if held.fresh_at is None else held.fresh_at
            self.since = max(self.since, fresh_at)
            self.until = min(self.until, fresh_at + terms.bound)
        self._keys = None if view is None else view.tokens
        # A plain dict is read faster than any other mapping. A token without a status has a bit as well: NO_LIST's.
        self._bitmaps = {**held.bitmaps, NO_LIST: b"\0"}
        self._kids = held.revoked_kids

    def clears(self, entry: "Remembered") -> bool:
        """Whether these are the keys that verified the token, its own was not given up, and its bit is not set."""
        try:
            return (
                self._keys is entry.keys
                and not self._bitmaps[entry.list][entry.octet] & entry.mask
                and entry.kid not in self._kids
            )
        except KeyError:  # a list that is not held
            return False


class Known:
    """One trusted issuer and what is known of it.

    `quick` is False where each use of a token needs more than the hot path looks at: then it never answers, unless all
    that is needed are the ends in `beside`.
    """

    __slots__ = ("beside", "ends", "quick", "source", "standing", "trust")

    def __init__(
        self, trust: TrustedIssuer, source: Source, *, ends: EndCheck | None = None, quick: bool = True
    ) -> None:
        self.trust = trust
        self.source = source
        self.ends = ends
        self.quick = quick and ends is None
        self.beside = ends if quick else None
        self.standing = Standing(source.snapshot, trust.follows)

    def stand_anew(self) -> Standing:
        """Lay the present snapshot out. Threads that find it changed at once do the same twice, and none harm."""
        self.standing = found = Standing(self.source.snapshot, self.trust.follows)
        return found


class Remembering(Protocol):
    """Whose `verify` may be decorated."""

    @property
    def recall(self) -> "Callable[[bytes], Remembered | None]": ...
    @property
    def wall(self) -> Callable[[], float]: ...
    @property
    def boottime(self) -> Callable[[], float]: ...


def remembered(of: Remembering, token: bytes, now: float | None) -> "Principal | None":
    """Whose token this is, if it was verified before and is good still; None: ask those who give reasons.

    Times are compared at each use. Keys, `kid` and status bit are looked at once for each state of the issuer's keys
    and revocations, which is replaced whole whenever any of it changes: the same state has the same answer.
    """
    hashing = new_hash()
    hashing.update(token)
    entry = of.recall(hashing.digest())
    if entry is not None:
        known = entry.known
        standing = known.standing
        if standing.snapshot is not known.source.snapshot:
            standing = known.stand_anew()
        if entry.cleared is not standing.stamp and standing.clears(entry):
            entry.cleared = standing.stamp
        if (
            entry.cleared is standing.stamp
            and entry.not_before <= (of.wall() if now is None else now) < entry.expires
            and standing.since <= of.boottime() <= standing.until
            and (known.quick or (known.beside is not None and known.beside.lets(entry)))
        ):
            return entry.principal
    return None


def remembered_first(otherwise: F) -> F:
    """Answer at once for a remembered token; ask the decorated method for any other."""

    @wraps(otherwise)
    def verify(self: Remembering, credential: Any, *, now: float | None = None) -> Any:
        kind = type(credential)
        if kind is str:
            token = credential
        elif kind is BearerCredential:
            token = credential.token
        else:
            return otherwise(self, credential, now=now)
        try:
            octets = token.encode()
        except UnicodeEncodeError:
            return otherwise(self, credential, now=now)
        found = remembered(self, octets, now)
        return found if found is not None else otherwise(self, credential, now=now)

    return cast(F, verify)
