"""Symmetric keys, RFC 7518 §6.4."""

from collections.abc import Mapping
from os import urandom
from types import MappingProxyType
from typing import Any

from admit.errors import InvalidKeyError
from admit.jose import secret_check
from admit.jose.material.base import KeyMaterial, octets, text


def of_secret(secret: bytes) -> KeyMaterial:
    """A symmetric key, RFC 7518 §6.4; refused when it looks like a public key, a password or a pattern."""
    secret_check.check_secret(secret)
    members = MappingProxyType({"k": text(secret), "kty": "oct"})
    return KeyMaterial("oct", None, len(secret) * 8, secret, secret, MappingProxyType({}), members)


PASSWORD = "password"  # noqa: S105 - a word for the kind of key
"""What stands for the curve of a key that is a password: no algorithm but PBES2's takes it."""
_MAX_PASSWORD = 1_024


def of_password(password: bytes) -> KeyMaterial:
    """What a person remembers, RFC 7518 §4.8. It is no key: nothing but a slow derivation may be done with it."""
    if not 1 <= len(password) <= _MAX_PASSWORD:
        raise InvalidKeyError("a password has 1 to 1,024 octets")
    members = MappingProxyType({"k": text(password), "kty": "oct"})
    return KeyMaterial("oct", PASSWORD, 0, password, password, MappingProxyType({}), members)


def read(members: Mapping[str, Any]) -> KeyMaterial:
    """The checked key of a JWK, RFC 7518 §6.4."""
    return of_secret(octets(members, "k"))


def generate(_: str | None, bits: int) -> KeyMaterial:
    """A new secret of a size in bits."""
    return of_secret(urandom(bits // 8))
