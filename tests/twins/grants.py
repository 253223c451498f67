"""Twins of the defences of grants."""

from typing import Any

from admit.issuer.grants.records import Family, PresentedCode, PresentedRefresh, Refusal, StoredCode
from admit.issuer.grants.refresh_token import RefreshToken


def _yes(*args: Any, **kwargs: Any) -> bool:
    return True


def _no(*args: Any, **kwargs: Any) -> bool:
    return False


def _no_fault(*args: Any, **kwargs: Any) -> None:
    return None


TWINS: dict[str, Any] = {
    "admit.issuer.grants.rules:verify_pkce": _yes,
    "admit.issuer.grants.rules:well_formed_verifier": _yes,
    "admit.issuer.grants.rules:is_reuse": _no,
    "admit.issuer.grants.rules:bound_to": _no_fault,
    "admit.issuer.grants.rules:over": _no_fault,
    "admit.issuer.grants.rules:belongs_to_client": _yes,
    "admit.issuer.grants.rules:redirect_uri_repeated": _yes,
    "admit.issuer.grants.rules:unexpired": _yes,
    "admit.issuer.grants.rules:unspent": _yes,
    "admit.issuer.grants.refresh_token:is_genuine": _yes,
}
