"""Twins of the defences of clients."""

from typing import Any

from admit.issuer.clients.records import Client


def _any_uri(client: Client, uri: str) -> bool:
    return True


def _any_registration(uri: str, *, native: bool, dev: bool, localhost: bool = False) -> bool:
    return True


def _any_id(text: str) -> bool:
    return True


def _all_of_them(hashes: tuple[bytes, ...], *, drop_old: bool) -> tuple[bytes, ...]:
    return hashes


def _in_the_clear(secret: str) -> bytes:
    return secret.encode()[:32].ljust(32)


def _everybodys(configured: bool) -> bool:
    return True


def _any_number(held: int, most: int) -> bool:
    return True


TWINS: dict[str, Any] = {
    "admit.issuer.clients.rules:redirect_uri_allowed": _any_uri,
    "admit.issuer.clients.rules:post_logout_redirect_uri_allowed": _any_uri,
    "admit.issuer.clients.rules:is_registrable_redirect_uri": _any_registration,
    "admit.issuer.clients.rules:is_client_id": _any_id,
    "admit.issuer.clients.rules:good_beside": _all_of_them,
    "admit.issuer.clients.rules:hash_secret": _in_the_clear,
    "admit.issuer.clients.share:has_left": _any_number,
    "admit.issuer.clients.key_sets:fits": _any_number,
    "admit.issuer.clients.dialling:may_dial_inside": _everybodys,
}
