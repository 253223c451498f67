"""Octet key pairs, RFC 8037 §2: Ed25519 and Ed448 sign, X25519 and X448 agree."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from admit.errors import InvalidKeyError
from admit.jose import small_order
from admit.jose.material.base import KeyMaterial, octets, text


@dataclass(frozen=True, slots=True)
class _Curve:
    """One value of `crv`. `size` is in octets, of the public and of the private key."""

    size: int
    private: Any
    public: Any
    check_point: Callable[[bytes], None]


_CURVES: Mapping[str, _Curve] = MappingProxyType(
    {
        "Ed25519": _Curve(
            32,
            ed25519.Ed25519PrivateKey,
            ed25519.Ed25519PublicKey,
            lambda encoded: small_order.check_ed25519_point(encoded),
        ),
        "Ed448": _Curve(
            57,
            ed448.Ed448PrivateKey,
            ed448.Ed448PublicKey,
            lambda encoded: small_order.check_ed448_point(encoded),
        ),
        "X25519": _Curve(
            32,
            x25519.X25519PrivateKey,
            x25519.X25519PublicKey,
            lambda encoded: check_agrees("X25519", encoded),
        ),
        "X448": _Curve(
            56, x448.X448PrivateKey, x448.X448PublicKey, lambda encoded: check_agrees("X448", encoded)
        ),
    }
)


def read(members: Mapping[str, Any]) -> KeyMaterial:
    """The checked key of a JWK, RFC 8037 §2."""
    crv = members.get("crv")
    curve = _CURVES.get(crv) if isinstance(crv, str) else None
    if curve is None:
        raise InvalidKeyError("crv is not supported")
    x = octets(members, "x", curve.size)
    curve.check_point(x)
    if "d" not in members:
        return of_key(curve.public.from_public_bytes(x))
    material = of_key(curve.private.from_private_bytes(octets(members, "d", curve.size)))
    if octets(material.public_members, "x") != x:
        raise InvalidKeyError("d does not belong to the public key")
    return material


def check_agrees(crv: str, encoded: bytes) -> None:
    """Refuse a point of small order: whoever agrees with it gets a secret that everybody knows, RFC 7748 §6."""
    curve = _CURVES[crv]
    try:
        curve.private.generate().exchange(curve.public.from_public_bytes(encoded))
    except ValueError:
        raise InvalidKeyError(f"an {crv} point of small order") from None


def of_key(key: Any) -> KeyMaterial:
    """An Ed25519, Ed448, X25519 or X448 key object, RFC 8037 §2."""
    crv = next((n for n, one in _CURVES.items() if isinstance(key, one.private | one.public)), None)
    if crv is None:
        raise InvalidKeyError("crv is not supported")
    curve = _CURVES[crv]
    private = key if isinstance(key, curve.private) else None
    public = key.public_key() if private else key
    x = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    curve.check_point(x)
    members = {"crv": crv, "kty": "OKP", "x": text(x)}
    secret = {}
    if private:
        secret = {"d": text(private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))}
    return KeyMaterial(
        "OKP", crv, curve.size * 8, public, private, MappingProxyType(members), MappingProxyType(secret)
    )


def generate(crv: str | None, _: int) -> KeyMaterial:
    """A new key pair of a curve."""
    return of_key(_CURVES[crv or ""].private.generate())
