"""How large a token may be. The size is known before anything is signed, and nothing is cut silently."""

from collections.abc import Mapping
from typing import Any

from admit.errors import TokenTooLargeError
from admit.jose import JWK, jws
from admit.jose import claims as jose_claims

BUDGET = 3_072
"""Octets of a whole signed token: what proxies pass in one header line beside a usual request."""


def fits(claims: Mapping[str, Any], key: JWK, *, typ: str | None) -> bool:
    """Whether the signed token is within the budget; nothing is signed to learn it."""
    return jose_claims.encoded_size(claims, key, typ=typ) <= BUDGET


def sign_within(claims: Mapping[str, Any], key: JWK, *, typ: str | None) -> str:
    """As `admit.jose.claims.encode`, and never over budget. A hot path: the claims are written once, then measured.

    Raises:
        TokenTooLargeError: the token would have more than 3,072 octets.
        ClaimError, InvalidKeyError: as that does.
    """
    jose_claims.check_types(claims)
    payload = jose_claims.payload(claims)
    check_size(jws.size(len(payload), key, typ=typ))
    return jws.sign_encoded(jws.encoded_header(key, typ), payload, key)


def check_size(octets: int) -> None:
    """Refuse to sign over budget.

    Raises:
        TokenTooLargeError: the token would have more than 3,072 octets.
    """
    if octets > BUDGET:
        raise TokenTooLargeError("the token is over its budget of 3,072 octets")


def without_groups(claims: Mapping[str, Any], endpoint: str) -> dict[str, Any]:
    """The claims with groups as a reference: a distributed claim, OpenID Connect Core §5.6.2.

    Where tokens of other issuers overflow they use the same form, so one reader serves both.
    """
    reduced = {name: value for name, value in claims.items() if name != "groups"}
    reduced["_claim_names"] = {"groups": "groups"}
    reduced["_claim_sources"] = {"groups": {"endpoint": endpoint}}
    return reduced
