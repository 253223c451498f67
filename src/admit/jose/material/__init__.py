"""What a key is made of, by key type: members in, checked key material out, RFC 7518 §6, RFC 8037 §2, RFC 9964 §3.

Each `kty` is one row of `KEY_TYPES`. Whatever comes in, JWK or PEM, ends here: each rule is held once.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from admit.errors import InvalidKeyError
from admit.jose.material.base import KeyMaterial, KeyType

__all__ = ["KEY_TYPES", "PRIVATE_MEMBERS", "KeyMaterial", "KeyType", "read_members"]

KEY_TYPES: Mapping[str, KeyType] = MappingProxyType(
    {
        "oct": KeyType(frozenset(), frozenset({"k"}), "octet"),
        "RSA": KeyType(frozenset({"n", "e"}), frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"}), "rsa"),
        "EC": KeyType(frozenset({"crv", "x", "y"}), frozenset({"d"}), "ec"),
        "OKP": KeyType(frozenset({"crv", "x"}), frozenset({"d"}), "okp"),
        "AKP": KeyType(frozenset({"pub"}), frozenset({"priv"}), "akp"),
    }
)
PRIVATE_MEMBERS: frozenset[str] = frozenset().union(*(row.private_members for row in KEY_TYPES.values()))
"""Members that must never stand in a published key set."""


def read_members(members: Mapping[str, Any]) -> KeyMaterial:
    """Check the members of a JWK and build its key, RFC 7517 §4.1.

    Raises:
        InvalidKeyError: unknown type or curve, a missing, malformed or contradicting member, a private member
            of another key type, a size or point that must not be used.
    """
    kty = members.get("kty")
    row = KEY_TYPES.get(kty) if isinstance(kty, str) else None
    if row is None:
        raise InvalidKeyError("kty is not supported")
    for other in KEY_TYPES.values():
        if (other.private_members - row.private_members - row.public_members) & members.keys():
            raise InvalidKeyError("members of two key types are mixed")
    try:
        return row.read(members)
    except InvalidKeyError:
        raise
    except Exception:  # noqa: S110 - the primitives raise more than they document, and each of it says the same
        pass
    raise InvalidKeyError("the key's members do not make a key")
