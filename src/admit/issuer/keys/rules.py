"""What is due, from the stored keys and the time. Pure: what it plans is done by statements that check it again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from admit.issuer.keys.config import KeysConfig
from admit.issuer.keys.records import KeyState, Purpose, StoredKey


@dataclass(frozen=True, slots=True)
class Make:
    """Make a key: active when the algorithm has none, else the next one."""

    purpose: Purpose
    alg: str
    state: KeyState
    activates_at: float


@dataclass(frozen=True, slots=True)
class Promote:
    """Nothing signs, after a revocation: `kid` stands ready and is known already, so it takes over at once."""

    kid: str


@dataclass(frozen=True, slots=True)
class Activate:
    """`kid` signs from now on; `active` retires."""

    kid: str
    active: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The last token of `kid` is dead: take it out of /jwks."""

    kid: str


@dataclass(frozen=True, slots=True)
class Forget:
    """The last hint that could name `kid` is too old: delete the row."""

    kid: str


Action: TypeAlias = Make | Promote | Activate | Withdraw | Forget


def missing(keys: Sequence[StoredKey], config: KeysConfig, now: float) -> list[Make | Promote]:
    """What gives every kind a key to sign with. The first is active at once: nobody holds an older set."""
    active = {(key.purpose, key.alg) for key in keys if key.state is KeyState.ACTIVE}
    actions: list[Make | Promote] = []
    for purpose, alg in config.algorithms:
        if (purpose, alg) not in active:
            ready = next_of(keys, purpose, alg)
            actions.append(Promote(ready.kid) if ready else Make(purpose, alg, KeyState.ACTIVE, now))
    return actions


def due(keys: Sequence[StoredKey], config: KeysConfig, now: float) -> list[Action]:
    """All that time asks for at `now` (seconds since the epoch)."""
    actions: list[Action] = list(missing(keys, config, now))
    for key in keys:
        if key.state is KeyState.ACTIVE and (key.purpose, key.alg) in config.algorithms:
            actions += _turn(key, next_of(keys, key.purpose, key.alg), config, now)
        elif key.state is KeyState.RETIRING and key.expires_at is not None and key.expires_at <= now:
            actions.append(Withdraw(key.kid))
        elif key.state is KeyState.GONE and forgotten_at(key, config) <= now:
            actions.append(Forget(key.kid))
    return actions


def _turn(active: StoredKey, following: StoredKey | None, config: KeysConfig, now: float) -> Iterable[Action]:
    turn_at = active.activates_at + config.rotate_every.total_seconds()
    ahead = config.publish_ahead.total_seconds()
    if following is None:
        if now >= turn_at - ahead:
            yield Make(active.purpose, active.alg, KeyState.NEXT, max(turn_at, now + ahead))
    elif following.activates_at <= now:
        yield Activate(following.kid, active.kid)


def next_of(keys: Iterable[StoredKey], purpose: str, alg: str) -> StoredKey | None:
    """The key that stands ready, if there is one."""
    found = (key for key in keys if (key.purpose, key.alg, key.state) == (purpose, alg, KeyState.NEXT))
    return next(found, None)


def earliest(key: StoredKey, config: KeysConfig) -> float:
    """When a next key may sign at the soonest: everybody has fetched it by then."""
    return key.created_at + config.publish_ahead.total_seconds()


def withdrawn_at(config: KeysConfig, now: float) -> float:
    """When a key that stops signing at `now` leaves /jwks: other nodes sign a little longer, and the tokens live on."""
    return now + config.retire_after.total_seconds()


def forgotten_at(key: StoredKey, config: KeysConfig) -> float:
    """When a key's row goes; a revoked one is named in heads until then."""
    gone_at = next(
        t for t in (key.revoked_at, key.expires_at, key.retired_at, key.created_at) if t is not None
    )
    return gone_at + config.keep_public.total_seconds()


def is_published(key: StoredKey) -> bool:
    """Whether /jwks shows the key."""
    return key.state is not KeyState.GONE and key.revoked_at is None
