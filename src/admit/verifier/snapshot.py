"""What is known of one issuer at one moment: frozen, and swapped whole, so that readers take no lock."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from admit.jose import JWK, JWKSet


@dataclass(frozen=True, slots=True)
class KeyView:
    """Keys as last had. `fetched_at` is a boot time; None for keys that were configured and so do not age."""

    tokens: JWK | JWKSet
    status: JWKSet
    fetched_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held of an issuer's revocations.

    `epoch, seq` are the greatest ever seen. Every bit of the version in `versions` is in the bitmap held, which may
    have more. `named` are the lists that the last good head named. `list_at` has for each list the boot time at which a
    question began whose answer proved that list; `fresh_at` is the one at which all of them were proved, None is stale.
    `head_iat` and `head_at` are the issuer's clock and this machine's boot time at the last good head. `went_back` is
    set once (epoch, seq) fell, until the epoch rises.
    """

    epoch: int = -1
    seq: int = -1
    bitmaps: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    versions: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    named: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    list_at: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    revoked_kids: frozenset[str] = frozenset()
    fresh_at: float | None = None
    head_iat: float | None = None
    head_at: float | None = None
    went_back: bool = False


NOTHING_HELD = Held()


@dataclass(frozen=True, slots=True)
class IssuerSnapshot:
    """Keys and revocations of one issuer. `keys` is None until some were had."""

    keys: KeyView | None = None
    held: Held = NOTHING_HELD


class Source(Protocol):
    """Where an issuer's snapshot comes from: a `Follower`, or an `InProcessSource`.

    `start` begins to follow. The three that return a future say what is worth waiting for; None is nothing: the first
    answers, keys that may have an unknown `kid`, a newer state of revocations.
    """

    @property
    def snapshot(self) -> IssuerSnapshot: ...
    @property
    def started(self) -> bool: ...
    @property
    def last_error(self) -> str | None: ...
    @property
    def keys_error(self) -> str | None: ...
    def start(self) -> None: ...
    def pending(self) -> Future[None] | None: ...
    def force_keys(self, kid: str) -> Future[None] | None: ...
    def force_poll(self) -> Future[None] | None: ...
    def close(self) -> None: ...
