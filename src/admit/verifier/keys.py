"""When keys are fetched, and which of them count. Pure but for the bounded memory of `KeySchedule`."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from admit.errors import InvalidKeyError, KeysUnavailableError, MalformedTokenError
from admit.jose import JWK, JWKSet
from admit.jose import json as strict_json
from admit.jose.jwks import MAX_SIZE
from admit.tokens.kinds import STATUS_KID
from admit.verifier.snapshot import KeyView

REFRESH = 300.0
COOL_DOWN = 30.0
"""Seconds between fetches that unknown kids force."""
STATUS_COOL_DOWN = 2.0
"""Seconds between fetches that heads signed by an unknown key force: only the issuer itself can send one."""
MAX_STALE = 86_400.0
"""Seconds for which old keys are good while the issuer cannot be reached."""
ASK_AGAIN = 6.0
"""Seconds after which keys are fetched once more that lacked one: another node may learn of a new key 5 s later."""
_ASK_AGAIN_SPREAD = (1.0, 1.5)
REMEMBERED_ABSENT = 300.0
MAX_ABSENT = 1_000
_RETRY = 2.0
_MAX_RETRY = 60.0

T = TypeVar("T")
Jitter = Callable[[float, float], float]


@dataclass(slots=True)
class KeySchedule:
    """When the next fetch of one issuer's keys is due. All times are boot times; the caller holds the lock."""

    due: float = 0.0
    forced_at: float | None = None
    forced_by_head_at: float | None = None
    failures: int = 0
    tried: bool = False
    changing: int = 0
    """Fetches to come until a new key has reached every node of the issuer; 0 where no key was given up lately."""
    _absent: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _missed: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def may_force(self, kid: str, boot: float) -> bool:
        """Whether an unknown `kid` may cause a fetch now. Each yes starts the cool-down.

        Strangers can write any `kid`; so they get one fetch and its repetition in 30 s between them, and a `kid` that
        stays missing one in 5 minutes.
        """
        if not is_cool(self.forced_at, boot) or self.is_absent(kid, boot):
            return False
        self.forced_at = boot
        return True

    def may_force_by_head(self, boot: float) -> bool:
        """Whether a head signed by an unknown key may cause a fetch now. Each yes starts its own short cool-down.

        Until that key is known every token of the issuer is stale; so the wait must not be what strangers' `kid`s cost.
        """
        if not is_cool(self.forced_by_head_at, boot, STATUS_COOL_DOWN):
            return False
        self.forced_by_head_at = boot
        return True

    def is_absent(self, kid: str, boot: float) -> bool:
        """Whether fetches a short while ago showed that there is no such key."""
        until = self._absent.get(kid)
        return until is not None and boot < until

    def note_absent(self, kid: str, boot: float, jitter: Jitter) -> None:
        """Remember a `kid` that a fetch did not bring.

        The first time for seconds, and the keys are fetched once more: a node that has not heard of a new key yet gives
        the old ones. When it is missing again, for 5 minutes.
        """
        again = boot + ASK_AGAIN * jitter(*_ASK_AGAIN_SPREAD)
        if kid in self._missed:
            del self._missed[kid]
            _note(self._absent, kid, boot + REMEMBERED_ABSENT)
        else:
            _note(self._missed, kid, None)
            _note(self._absent, kid, again)
            self.due = min(self.due, again)

    def note_revoked(self, boot: float) -> None:
        """A key that was held is void, so there is a new one: fetch it now, and once more in seconds."""
        self.due, self.changing = boot, 2

    def begin_anew(self, boot: float) -> None:
        """Forget all times: the clock that they were noted by went back."""
        self.due, self.forced_at, self.forced_by_head_at = boot, None, None
        self._absent.clear()
        self._missed.clear()

    def succeeded(self, boot: float, jitter: Jitter) -> None:
        """Plan the next refresh; spread, so that many verifiers do not ask together."""
        self.tried, self.failures = True, 0
        self.due = boot + REFRESH * jitter(0.8, 1.0)
        self.changing = max(0, self.changing - 1)
        if self.changing:
            self.due = boot + ASK_AGAIN * jitter(*_ASK_AGAIN_SPREAD)

    def failed(self, boot: float, jitter: Jitter) -> None:
        """Plan the next try, later after each failure."""
        self.tried = True
        self.due = boot + min(_MAX_RETRY, _RETRY * 2 ** min(self.failures, 6)) * jitter(0.5, 1.0)
        self.failures += 1


def _note(memory: OrderedDict[str, T], kid: str, value: T) -> None:
    """Strangers write kids, so what is remembered of them is bounded: the oldest goes."""
    memory[kid] = value
    memory.move_to_end(kid)
    while len(memory) > MAX_ABSENT:
        memory.popitem(last=False)


def is_cool(forced_at: float | None, boot: float, cool_down: float = COOL_DOWN) -> bool:
    """Whether the last forced fetch is at least `cool_down` seconds ago."""
    return forced_at is None or boot - forced_at >= cool_down


def check_age(view: KeyView, boot: float) -> None:
    """Raise KeysUnavailableError when keys that could not be renewed for 24 h would be used."""
    if view.fetched_at is not None and not 0 <= boot - view.fetched_at <= MAX_STALE:
        raise KeysUnavailableError("the keys could not be renewed for a day")


def read(
    body: bytes,
    *,
    issuer: str,
    rsa_alg: str | None,
    okp_alg: str = "EdDSA",
    algorithms: Collection[str] | None = None,
    admit: bool,
    revoked: frozenset[str],
    fetched_at: float,
) -> KeyView:
    """The usable keys of a published set, those for tokens apart from those for heads and lists.

    `admit` says that the issuer has status keys; another issuer's kids mean nothing. A revoked key is left out, and
    so is one for tokens whose algorithm is not among `algorithms`, or that is published for another issuer alone.

    Raises:
        InvalidKeyError: not a key set, or no usable key for tokens in it: then the old one is kept.
    """
    try:
        members = strict_json.loads_object(body, max_size=MAX_SIZE).get("keys")
    except MalformedTokenError:
        raise InvalidKeyError("not a key set") from None
    if not isinstance(members, list):
        raise InvalidKeyError("keys is missing or not a list")
    kept = [entry for entry in members if isinstance(entry, dict) and _kid(entry) not in revoked]
    status = [entry for entry in kept if admit and _kid(entry).startswith(STATUS_KID)]
    tokens = [entry for entry in kept if not (admit and _kid(entry).startswith(STATUS_KID))]
    found = _load([entry for entry in tokens if not is_bound_elsewhere(entry, issuer)], rsa_alg, okp_alg)
    if algorithms is not None:
        found = found.only(frozenset(algorithms))
    if not len(found):
        raise InvalidKeyError("no usable key in the set (RSA keys without alg need rsa_alg)")
    return KeyView(found, _load(status), fetched_at)


def is_bound_elsewhere(entry: Mapping[str, Any], issuer: str) -> bool:
    """Whether a key is published for one issuer alone, and that is another one.

    Entra's keys carry an `issuer`: with `{tenantid}` in it they sign for every tenant; else for that tenant only, and
    taking them for another would let a stranger's account speak for it.
    """
    bound = entry.get("issuer")
    return bound is not None and not (isinstance(bound, str) and ("{tenantid}" in bound or bound == issuer))


def without(view: KeyView, revoked: frozenset[str]) -> KeyView:
    """A view without keys that were revoked since; the very same object where there is none."""
    if isinstance(view.tokens, JWK):
        return view
    gone = [key for key in (*view.tokens, *view.status) if key.kid in revoked]
    if not gone:
        return view
    tokens = [key for key in view.tokens if key.kid not in revoked]
    status = [key for key in view.status if key.kid not in revoked]
    return KeyView(_load_keys(tokens), _load_keys(status), view.fetched_at)


def names_any(view: KeyView | None, kids: Collection[str]) -> bool:
    """Whether one of these kids is a key's that is held."""
    if not kids or view is None or isinstance(view.tokens, JWK):
        return False
    return any(key.kid in kids for key in (*view.tokens, *view.status))


def _kid(entry: dict[str, Any]) -> str:
    """A `kid` of a foreign set may be any JSON value; what is no string names no key."""
    kid = entry.get("kid")
    return kid if isinstance(kid, str) else ""


def _load(entries: list[dict[str, Any]], rsa_alg: str | None = None, okp_alg: str = "EdDSA") -> JWKSet:
    text = strict_json.dumps_object({"keys": entries})
    return JWKSet.load_foreign(text, rsa_alg=rsa_alg, okp_alg=okp_alg)


def _load_keys(entries: list[JWK]) -> JWKSet:
    return JWKSet.load_foreign(strict_json.dumps_object({"keys": [key.to_dict() for key in entries]}))
