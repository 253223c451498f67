"""What a verifier can say of itself: to a readiness probe, to metrics, to whoever wonders. Asks nobody."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from admit.jose import JWK
from admit.verifier import freshness
from admit.verifier import keys as key_rules
from admit.verifier.counters import Following
from admit.verifier.ends.view import EndView
from admit.verifier.follower import Follower
from admit.verifier.follower_stream import StreamState

if TYPE_CHECKING:
    from admit.verifier.hit import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerHealth:
    """One issuer's state. Ages are in seconds; None where there is nothing, or nothing that ages.

    `ready` says that a good token would be taken now. `fresh_age` is the age of what is known of revocations,
    `max_staleness` its bound and `left` the time until its tokens get 503 (0: they do). `lists` maps each list held to
    its version, `list_ages` to the time since it was proved; `keys` are the kids held for tokens.

    `ends` is the number of ends held that this issuer (with tenants, all of them) told of otherwise, and `ends_age` the
    time since their store was read; None where that was never done.

    `up` says that somebody keeps this current, and `stream` whether ends are heard of as they happen: "open", "waiting"
    (tried again by itself, `stream_error` says why in a word) or "off". `went_back` says that the issuer's database was
    seen to go back in time: `admit epoch raise` there ends it. `last_error` is the code of the last failure to ask the
    issuer, None after a success. `counts` is what was done since the process started.
    """

    issuer: str
    ready: bool
    follows: bool
    fresh_age: float | None = None
    max_staleness: float | None = None
    left: float | None = None
    epoch: int | None = None
    seq: int | None = None
    lists: Mapping[int, str]
    list_ages: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    keys: tuple[str, ...] = ()
    keys_age: float | None = None
    up: bool = True
    stream: str = "off"
    stream_error: str | None = None
    went_back: bool = False
    last_error: str | None = None
    counts: Following = field(default_factory=Following, repr=False)
    ends: int | None = None
    ends_age: float | None = None


@dataclass(frozen=True, slots=True)
class VerifierHealth:
    """All issuers' states. `ready` says that every one of them is."""

    issuers: tuple[IssuerHealth, ...]

    @property
    def ready(self) -> bool:
        """For a readiness probe."""
        return all(one.ready for one in self.issuers)


def of(known: "Known", boot: float, *, tenants: "Iterable[Known]" = ()) -> IssuerHealth:
    """The state of one issuer at a boot time. `tenants` are all that share its source, itself among them."""
    source, terms, ends = known.source, known.trust.follows, known.trust.ends
    view, held = source.snapshot.keys, source.snapshot.held
    keys_age = None if view is None or view.fetched_at is None else boot - view.fetched_at
    have_keys = view is not None and (keys_age is None or 0 <= keys_age <= key_rules.MAX_STALE)
    tokens = () if view is None else (view.tokens,) if isinstance(view.tokens, JWK) else tuple(view.tokens)
    follower = source if isinstance(source, Follower) else None
    return IssuerHealth(
        issuer=known.trust.issuer,
        ready=have_keys
        and (terms is None or freshness.is_fresh(held, boot, terms.bound))
        and (ends is None or ends.is_fresh()),
        follows=terms is not None,
        fresh_age=None if held.fresh_at is None else boot - held.fresh_at,
        max_staleness=None if terms is None else terms.bound,
        left=None if terms is None else time_left(held.fresh_at, boot, terms.bound),
        epoch=held.epoch if held.epoch >= 0 else None,
        seq=held.seq if held.epoch >= 0 else None,
        lists=held.versions,
        list_ages=MappingProxyType({n: boot - at for n, at in held.list_at.items()}),
        keys=tuple(key.kid for key in tokens if key.kid is not None),
        keys_age=keys_age,
        up=follower is None or follower.is_up,
        stream=(StreamState.OFF if follower is None else follower.stream_state).value,
        stream_error=None if follower is None else follower.stream_error,
        went_back=held.went_back,
        last_error=source.last_error or (None if ends is None else ends.last_error),
        ends=None if ends is None else told_by(ends.view, {known, *tenants}),
        ends_age=None if ends is None else ends.age(),
        counts=Following() if follower is None else follower.counters,
    )


def told_by(view: EndView, some: "Iterable[Known]") -> int:
    """How many of the ends that are held these issuers told of."""
    return sum(view.counts.get(one.trust.issuer, 0) for one in some)


def time_left(fresh_at: float | None, boot: float, bound: float) -> float:
    """Seconds until what is held is too old; 0 where it is."""
    return 0.0 if fresh_at is None or boot < fresh_at else max(0.0, fresh_at + bound - boot)
