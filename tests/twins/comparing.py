"""Twins that compare rightly and stop at the first octet that differs, and one that reads what an address says."""

from collections.abc import Iterable

from admit.issuer.clients.rules import hash_secret
from admit.issuer.factors.rules import code_at, steps_at


def one_of_them(hashes: Iterable[bytes], secret: str) -> bool:
    return hash_secret(secret) in list(hashes)


def same_code(secret: bytes, code: str, now: float) -> int | None:
    return next((step for step in steps_at(now) if code_at(secret, step) == code), None)


def addresses_are_fine(call: object) -> None:
    """As if it were not there."""


TWINS = {
    "admit.issuer.app.routes.token:refuse_query": addresses_are_fine,
    "admit.issuer.clients.rules:verify_secret": one_of_them,
    "admit.issuer.factors.rules:matching_step": same_code,
}
