"""Symmetric keys, RFC 7518 §6.4."""

from collections.abc import Mapping
from os import urandom
from types import MappingProxyType
from typing import Any

from admit.jose import secret_check
from admit.jose.material.base import KeyMaterial, KeyType, octets, text


def of_secret(secret: bytes) -> KeyMaterial:
    """A symmetric key, RFC 7518 §6.4; refused when it looks like a public key, a password or a pattern."""
    secret_check.check_secret(secret)
    members = MappingProxyType({"k": text(secret), "kty": "oct"})
    return KeyMaterial("oct", None, len(secret) * 8, secret, secret, MappingProxyType({}), members)


def _read(members: Mapping[str, Any]) -> KeyMaterial:
    return of_secret(octets(members, "k"))


def _generate(_: str | None, bits: int) -> KeyMaterial:
    return of_secret(urandom(bits // 8))


ROW = KeyType(frozenset(), frozenset({"k"}), _read, _generate)
