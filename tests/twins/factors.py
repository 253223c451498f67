"""Twins of the defences of second factors."""

from typing import Any

from admit.issuer.factors import store
from admit.issuer.factors.assurance import Next
from admit.issuer.factors.config import FactorsConfig
from admit.issuer.factors.records import Pending
from admit.issuer.factors.transactions import Around, Held
from admit.issuer.storage import Keyring, Steps


def _the_password_will_do(*args: Any, **kwargs: Any) -> Next:
    return Next.SESSION


def _yes(*args: Any, **kwargs: Any) -> bool:
    return True


def _leave_all(*args: Any, **kwargs: Any) -> Steps[int]:
    return 0
    yield


def _always_spent(*args: Any, **kwargs: Any) -> Steps[bool]:
    return True
    yield


def _known_is_enough(user_id: str, code_hash: bytes, now: float) -> Steps[bool]:
    return bool((yield store.KNOWN_CODE(of_user=user_id, of_hash=code_hash)))


def _uncounted(around: Around, held: Held, **kwargs: Any) -> Steps[Pending]:
    limit, now = FactorsConfig().tries_per_sign_in + 1_000, kwargs["now"]
    rows = yield store.FIND_PENDING(of_id=held.id_hash, of_browser=held.binding_hash, limit=limit, now=now)
    return store.pending_of(rows[0])


def _in_clear(user_id: str, code: str) -> bytes:
    return code.encode()


def _unsealed(keyring: Keyring, secret: bytes, *, user_id: str, factor_id: str) -> bytes:
    return secret


def _an_hour(now: float) -> range:
    return range(int(now // 30) - 120, int(now // 30) + 121)


TWINS: dict[str, Any] = {
    "admit.issuer.factors.assurance:next_step": _the_password_will_do,
    "admit.issuer.factors.assurance:admits": _yes,
    "admit.issuer.factors.assurance:suffices": _yes,
    "admit.issuer.factors.transactions:end_what_the_password_opened": _leave_all,
    "admit.issuer.factors.transactions:spend_step": _always_spent,
    "admit.issuer.factors.transactions:spend_recovery_code": _known_is_enough,
    "admit.issuer.factors.transactions:count_try": _uncounted,
    "admit.issuer.factors.rules:hash_recovery_code": _in_clear,
    "admit.issuer.factors.rules:steps_at": _an_hour,
    "admit.issuer.factors.codes:seal": _unsealed,
    "admit.issuer.app.routes.account_second_factor:may_change": _yes,
}
