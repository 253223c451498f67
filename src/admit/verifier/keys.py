"""When keys are fetched, and which of them count. Pure but for the bounded memory of `KeySchedule`."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

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
REMEMBERED_ABSENT = 300.0
MAX_ABSENT = 1_000
_RETRY = 2.0
_MAX_RETRY = 60.0

Jitter = Callable[[float, float], float]


@dataclass(slots=True)
class KeySchedule:
    """When the next fetch of one issuer's keys is due. All times are boot times; the caller holds the lock."""

    due: float = 0.0
    forced_at: float | None = None
    forced_by_head_at: float | None = None
    failures: int = 0
    tried: bool = False
    _absent: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def may_force(self, kid: str, boot: float) -> bool:
        """Whether an unknown `kid` may cause a fetch now. Each yes starts the cool-down.

        Strangers can write any `kid`; so they get one fetch in 30 s between them, and one `kid` one in 5 minutes.
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
        """Whether a fetch within the last 5 minutes showed that there is no such key."""
        until = self._absent.get(kid)
        return until is not None and boot < until

    def note_absent(self, kid: str, boot: float) -> None:
        """Remember a `kid` that a fetch did not bring."""
        self._absent[kid] = boot + REMEMBERED_ABSENT
        self._absent.move_to_end(kid)
        while len(self._absent) > MAX_ABSENT:
            self._absent.popitem(last=False)

    def begin_anew(self, boot: float) -> None:
        """Forget all times: the clock that they were noted by went back."""
        self.due, self.forced_at, self.forced_by_head_at = boot, None, None
        self._absent.clear()

    def succeeded(self, boot: float, jitter: Jitter) -> None:
        """Plan the next refresh; spread, so that many verifiers do not ask together."""
        self.tried, self.failures = True, 0
        self.due = boot + REFRESH * jitter(0.8, 1.0)

    def failed(self, boot: float, jitter: Jitter) -> None:
        """Plan the next try, later after each failure."""
        self.tried = True
        self.due = boot + min(_MAX_RETRY, _RETRY * 2 ** min(self.failures, 6)) * jitter(0.5, 1.0)
        self.failures += 1


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
    found = _load([entry for entry in tokens if not is_bound_elsewhere(entry, issuer)], rsa_alg)
    if algorithms is not None:
        found = found.only(frozenset(algorithms))
    if not len(found):
        raise InvalidKeyError("no usable key in the set (RSA keys without alg need rsa_alg)")
    return KeyView(found, _load(status, None), fetched_at)


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


def _kid(entry: dict[str, Any]) -> str:
    """A `kid` of a foreign set may be any JSON value; what is no string names no key."""
    kid = entry.get("kid")
    return kid if isinstance(kid, str) else ""


def _load(entries: list[dict[str, Any]], rsa_alg: str | None) -> JWKSet:
    return JWKSet.load_foreign(strict_json.dumps_object({"keys": entries}), rsa_alg=rsa_alg)


def _load_keys(entries: list[JWK]) -> JWKSet:
    return JWKSet.load_foreign(strict_json.dumps_object({"keys": [key.to_dict() for key in entries]}))
