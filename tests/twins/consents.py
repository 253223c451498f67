"""Twins of the defences of consent."""

from collections.abc import Mapping
from typing import Any

from admit.issuer.consents.records import Remembered


def _yes(*args: Any, **kwargs: Any) -> bool:
    return True


def _no(*args: Any, **kwargs: Any) -> bool:
    return False


def _nothing_new(shown: Mapping[str, str], remembered: Remembered | None) -> frozenset[str]:
    return frozenset(shown) if remembered is None else frozenset()


def _all_of_it(shown: Mapping[str, str], kept: frozenset[str]) -> frozenset[str]:
    return frozenset(shown)


TWINS: dict[str, Any] = {
    "admit.issuer.consents.rules:is_remembered": _yes,
    "admit.issuer.consents.rules:unanswered": _nothing_new,
    "admit.issuer.consents.rules:ticked": _all_of_it,
    "admit.issuer.consents.rules:is_news": _no,
    "admit.issuer.consents.transactions:holds": _yes,
    "admit.issuer.app.consenting:is_what_was_shown": _yes,
    "admit.issuer.app.flow:may_be_sent_on": _yes,
    "admit.issuer.app.routes.consent:needs_fresh_sign_in": _no,
}
