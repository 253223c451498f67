"""Algorithm key pairs: ML-DSA, RFC 9964 §3. The private key is its seed; the algorithm is part of the key."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import mldsa

from admit.errors import InvalidKeyError
from admit.jose.material.base import KeyMaterial, octets, text

_SEED = 32


@dataclass(frozen=True, slots=True)
class _Set:
    """A parameter set, FIPS 204 §4. `size` is of the public key, in octets."""

    size: int
    private: Any
    public: Any


SETS: Mapping[str, _Set] = MappingProxyType(
    {
        "ML-DSA-44": _Set(1312, mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey),
        "ML-DSA-65": _Set(1952, mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey),
        "ML-DSA-87": _Set(2592, mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey),
    }
)


def read(members: Mapping[str, Any]) -> KeyMaterial:
    """The checked key of a JWK, RFC 9964 §3."""
    name = members.get("alg")
    known = SETS.get(name) if isinstance(name, str) else None
    if known is None:
        raise InvalidKeyError("alg is missing, or not one of its key type")
    pub = octets(members, "pub", known.size)
    if "priv" not in members:
        return of_key(known.public.from_public_bytes(pub))
    found = of_key(known.private.from_seed_bytes(octets(members, "priv", _SEED)))
    if octets(found.public_members, "pub") != pub:
        raise InvalidKeyError("priv does not belong to the public key")
    return found


def of_key(key: Any) -> KeyMaterial:
    """An ML-DSA key object, RFC 9964 §3."""
    name = next((n for n, one in SETS.items() if isinstance(key, one.private | one.public)), None)
    if name is None:
        raise InvalidKeyError("the parameter set is not supported")
    known = SETS[name]
    private = key if isinstance(key, known.private) else None
    public = key.public_key() if private else key
    members = {"alg": name, "kty": "AKP", "pub": text(public.public_bytes_raw())}
    secret = {"priv": text(private.private_bytes_raw())} if private else {}
    return KeyMaterial(
        "AKP", name, known.size * 8, public, private, MappingProxyType(members), MappingProxyType(secret)
    )


def generate(name: str | None, _: int) -> KeyMaterial:
    """A new key pair of a parameter set."""
    return of_key(SETS[name or ""].private.generate())
