"""Twins of the defences of the JSON API."""

from typing import Any


def _yes(*args: Any, **kwargs: Any) -> bool:
    return True


TWINS: dict[str, Any] = {
    "admit.issuer.app.api.caller:may_operate": _yes,
    "admit.issuer.app.api.caller:is_for_issuer_alone": _yes,
}
