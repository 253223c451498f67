"""Elliptic curve keys, RFC 7518 §6.2, RFC 8812 §3.1."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from admit.errors import InvalidKeyError
from admit.jose.material.base import KeyMaterial, octets, text

CURVES: Mapping[str, ec.EllipticCurve] = MappingProxyType(
    {
        "P-256": ec.SECP256R1(),
        "P-384": ec.SECP384R1(),
        "P-521": ec.SECP521R1(),
        "secp256k1": ec.SECP256K1(),
    }
)


def read(members: Mapping[str, Any]) -> KeyMaterial:
    """The checked key of a JWK, RFC 7518 §6.2."""
    crv = members.get("crv")
    curve = CURVES.get(crv) if isinstance(crv, str) else None
    if curve is None:
        raise InvalidKeyError("crv is not supported")
    size = (curve.key_size + 7) // 8
    x, y = octets(members, "x", size), octets(members, "y", size)
    # Building the point raises where it is not on the curve, RFC 8725 §3.4.
    public = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve
    ).public_key()
    if "d" not in members:
        return of_key(public)
    private = ec.derive_private_key(int.from_bytes(octets(members, "d", size), "big"), curve)
    if private.public_key() != public:
        raise InvalidKeyError("d does not belong to the public key")
    return of_key(private)


def of_key(key: Any) -> KeyMaterial:
    """An elliptic curve key object, RFC 7518 §6.2."""
    private = key if isinstance(key, ec.EllipticCurvePrivateKey) else None
    public = key.public_key() if private else key
    crv = next((name for name, curve in CURVES.items() if curve.name == public.curve.name), None)
    if crv is None:
        raise InvalidKeyError("crv is not supported")
    size = (public.key_size + 7) // 8
    point = public.public_numbers()
    members = {
        "crv": crv,
        "kty": "EC",
        "x": text(point.x.to_bytes(size, "big")),
        "y": text(point.y.to_bytes(size, "big")),
    }
    secret = {"d": text(private.private_numbers().private_value.to_bytes(size, "big"))} if private else {}
    return KeyMaterial(
        "EC", crv, public.key_size, public, private, MappingProxyType(members), MappingProxyType(secret)
    )


def generate(crv: str | None, _: int) -> KeyMaterial:
    """A new key pair of a curve."""
    return of_key(ec.generate_private_key(CURVES[crv or ""]))
