"""Twins of the defences of the JSON API."""

from typing import Any


def _yes(*args: Any, **kwargs: Any) -> bool:
    return True


def _no(*args: Any, **kwargs: Any) -> bool:
    return False


TWINS: dict[str, Any] = {
    "admit.issuer.accounts.rules:may_operate": _yes,
    "admit.issuer.app.pages.apps:reaches_everybody": _no,
    "admit.issuer.app.api.caller:check_scope": _yes,
    "admit.issuer.app.api.caller:is_for_issuer_alone": _yes,
}
