"""THE HOT PATH: a remembered token is used again. Each request of an API comes by here. (A new one goes on to `plain`.)

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

    __slots__ = ("_bitmaps", "keys", "revoked_kids", "since", "snapshot", "stamp", "until")

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
        self.keys = None if view is None else view.tokens
        # A plain dict is read faster than any other mapping. A token without a status has a bit as well: NO_LIST's.
        self._bitmaps = {**held.bitmaps, NO_LIST: b"\0"}
        self.revoked_kids = held.revoked_kids

    def clears(self, entry: "Remembered") -> bool:
        """Whether these are the keys that verified the token, its own was not given up, and its bit is not set."""
        try:
            return (
                self.keys is entry.keys
                and not self._bitmaps[entry.list][entry.octet] & entry.mask
                and entry.kid not in self.revoked_kids
            )
        except KeyError:  # a list that is not held
            return False


class Known:
    """One trusted issuer and what is known of it.

    `quick` is False where each use of a token needs more than the hot path looks at: then it never answers, unless all
    that is needed are the ends in `beside`. `plain` is the policy by which a new token is read in one go; None where
    its issuer asks for more than that reading looks at. `follows` is what `trust.follows` says.
    """

    __slots__ = ("beside", "ends", "follows", "plain", "quick", "source", "standing", "trust")

    def __init__(
        self, trust: TrustedIssuer, source: Source, *, ends: EndCheck | None = None, quick: bool = True
    ) -> None:
        self.trust = trust
        self.source = source
        self.ends = ends
        self.quick = quick and ends is None
        self.beside = ends if quick else None
        self.follows = trust.follows
        policy = trust.policy
        asks_more = bool(trust.require) or policy.max_age_s is not None
        self.plain = policy if self.quick and trust.is_profiled and not asks_more else None
        self.standing = Standing(source.snapshot, self.follows)

    def stand(self) -> Standing:
        """The present snapshot, laid out.

        Threads that find it changed at once lay it out twice, and none harm.
        """
        found = self.standing
        if found.snapshot is not self.source.snapshot:
            self.standing = found = Standing(self.source.snapshot, self.follows)
        return found


class Remembering(Protocol):
    """Whose `verify` may be decorated."""

    @property
    def recall(self) -> "Callable[[bytes], Remembered | None]": ...
    @property
    def wall(self) -> Callable[[], float]: ...
    @property
    def boottime(self) -> Callable[[], float]: ...
    @property
    def read_new(self) -> "Callable[[bytes, bytes, float], Principal | None]": ...


def at_once(of: Remembering, token: bytes, now: float | None) -> "Principal | None":
    """Whose token this is, if it was verified before and is good still, or is new and plain; None: ask those who give
    reasons.

    Times are compared at each use. Keys, `kid` and status bit are looked at once for each state of the issuer's keys
    and revocations, which is replaced whole whenever any of it changes: the same state has the same answer.

    Raises:
        SignatureError: it is new and plain, but for its signature.
    """
    hashing = new_hash()
    hashing.update(token)
    key = hashing.digest()
    entry = of.recall(key)
    if entry is None:
        return of.read_new(token, key, of.wall() if now is None else now)
    known = entry.known
    standing = known.standing
    if standing.snapshot is not known.source.snapshot:
        standing = known.stand()
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


def plainly_first(otherwise: F) -> F:
    """Answer at once for a remembered token and a plain one; ask the decorated method for any other."""

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
        found = at_once(self, octets, now)
        return found if found is not None else otherwise(self, credential, now=now)

    return cast(F, verify)
