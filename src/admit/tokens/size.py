"""How large a token may be. The size is known before anything is signed, and nothing is cut silently."""

from collections.abc import Mapping
from typing import Any

from admit.errors import TokenTooLargeError
from admit.jose import JWK
from admit.jose import claims as jose_claims

BUDGET = 3_072
"""Octets of a whole signed token: what proxies pass in one header line beside a usual request."""


def fits(claims: Mapping[str, Any], key: JWK, *, typ: str | None) -> bool:
    """Whether the signed token is within the budget; nothing is signed to learn it."""
    return jose_claims.encoded_size(claims, key, typ=typ) <= BUDGET


def check_size(claims: Mapping[str, Any], key: JWK, *, typ: str | None) -> None:
    """Refuse to sign over budget.

    Raises:
        TokenTooLargeError: the token would have more than 3,072 octets.
    """
    if not fits(claims, key, typ=typ):
        raise TokenTooLargeError("the token is over its budget of 3,072 octets")


def without_groups(claims: Mapping[str, Any], endpoint: str) -> dict[str, Any]:
    """The claims with groups as a reference: a distributed claim, OpenID Connect Core §5.6.2.

    Where tokens of other issuers overflow they use the same form, so one reader serves both.
    """
    reduced = {name: value for name, value in claims.items() if name != "groups"}
    reduced["_claim_names"] = {"groups": "groups"}
    reduced["_claim_sources"] = {"groups": {"endpoint": endpoint}}
    return reduced
