"""What every key type is read with: the members of a JWK as octets and numbers, RFC 7518 §2, §6."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

from admit.errors import InvalidKeyError, MalformedTokenError
from admit.jose import base64url

MAX_NUMBER = 8192 // 8
"""Octets of the largest number in a key, an RSA modulus."""


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """A checked key. `public` and `private` are objects of the `cryptography` package, octets for `oct`.

    `crv` is the curve, and for AKP the parameter set, which is its algorithm (RFC 9964 §3).
    """

    kty: str
    crv: str | None
    bits: int
    public: Any = field(repr=False)
    private: Any = field(repr=False)
    public_members: Mapping[str, str] = field(repr=False)
    private_members: Mapping[str, str] = field(repr=False)

    @property
    def thumbprint_members(self) -> Mapping[str, str]:
        """The members that RFC 7638 §3.2 hashes: all that make the public key, or the secret."""
        return self.private_members if self.kty == "oct" else self.public_members


@dataclass(frozen=True, slots=True)
class KeyType:
    """One value of `kty`, RFC 7517 §4.1: its members, and the module beside this one that knows the rest.

    That module is loaded with the first key of its kind: most programs sign with one kind and never see the others.
    """

    public_members: frozenset[str]
    private_members: frozenset[str]
    module: str

    def read(self, members: Mapping[str, Any]) -> KeyMaterial:
        """The checked key of a JWK. Raises InvalidKeyError, and whatever the primitives do."""
        found: KeyMaterial = self._loaded().read(members)
        return found

    def generate(self, crv: str | None, bits: int) -> KeyMaterial:
        """A new key of a curve or parameter set, None where there is none, and of a size in bits."""
        made: KeyMaterial = self._loaded().generate(crv, bits)
        return made

    def _loaded(self) -> ModuleType:
        return import_module(f"admit.jose.material.{self.module}")


def octets(members: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    """A base64url member, of exactly `size` octets where that is given, RFC 7518 §6.2.1.2."""
    value = members.get(name)
    if not isinstance(value, str):
        raise InvalidKeyError(f"{name} is missing or not a string")
    if (
        not value.isascii()
    ):  # asked, since the error of encoding it would hold the value, which may be a secret
        raise InvalidKeyError(f"{name} is not base64url")
    try:
        raw = base64url.decode(value.encode())
    except MalformedTokenError:
        raise InvalidKeyError(f"{name} is not base64url") from None
    if size is not None and len(raw) != size:
        raise InvalidKeyError(f"{name} has the wrong length")
    return raw


def unsigned(members: Mapping[str, Any], name: str) -> int:
    """A Base64urlUInt member in its shortest form, RFC 7518 §2."""
    raw = octets(members, name)
    if not raw or raw[0] == 0 or len(raw) > MAX_NUMBER:
        raise InvalidKeyError(f"{name} is not in its shortest form")
    return int.from_bytes(raw, "big")


def text(raw: bytes) -> str:
    """Octets as a member."""
    return base64url.encode(raw).decode("ascii")


def number(value: int) -> str:
    """A number as a member, in its shortest form."""
    return text(value.to_bytes((value.bit_length() + 7) // 8, "big"))
