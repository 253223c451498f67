"""What binds a key to its one algorithm and its purposes, RFC 7517 §4. Rules only; `JWK` obeys them."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from admit.errors import InvalidKeyError
from admit.jose.algorithms import JWS_ALGS, JwsAlg
from admit.jose.material import KeyMaterial
from admit.jose.parsing import parse

if TYPE_CHECKING:
    from admit.jose.key_management import JweAlg

    KEY_ALGS: tuple[str, ...]
    """Every `alg` that a key can have."""

Row: TypeAlias = "JwsAlg | JweAlg"

_LONE = re.compile("[\ud800-\udfff]")  # half a character, which UTF-8 cannot say
RSA_SIZES = (2048, 3072, 4096)
"""Bits that new RSA keys can have, NIST SP 800-57 Part 1 §5.6.1."""
MAX_KID = 128
"""Characters of a `kid`; it is a dictionary key and nothing else."""
_OPERATIONS = frozenset(
    {"sign", "verify", "encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"}
)
_PUBLIC_OPERATION = {
    "sign": "verify",
    "decrypt": "encrypt",
    "unwrapKey": "wrapKey",
}
_FOR_SIGNATURES = frozenset({"sign", "verify"})
FOR_WRAPPING = frozenset({"encrypt", "wrapKey", "deriveKey", "deriveBits"})
FOR_UNWRAPPING = frozenset({"decrypt", "unwrapKey", "deriveKey", "deriveBits"})
_SIGNATURE_SIZES = {"Ed25519": 64, "Ed448": 114}  # of the one algorithm that takes both curves


def __getattr__(name: str) -> tuple[str, ...]:
    """`KEY_ALGS`, which names algorithms for encryption too."""
    if name != "KEY_ALGS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return tuple(dict.fromkeys((*JWS_ALGS, *(alg for alg, _ in _for_encryption()))))


def _for_encryption() -> "Mapping[tuple[str, str], JweAlg]":
    """The other table: most programs sign and verify only, and ciphers take a while to load."""
    from admit.jose.key_management import JWE_ALGS

    return JWE_ALGS


def check_suits(key_material: KeyMaterial, row: Row) -> None:
    """Refuse a key of another type or curve than the algorithm's, or of another size, RFC 7518 §3, §4."""
    suits = key_material.crv in row.curves if row.curves else key_material.crv is None
    if key_material.kty != row.kty or not suits:
        raise InvalidKeyError("the algorithm takes another type of key")
    if key_material.bits < row.min_bits:
        raise InvalidKeyError("the key is too small for its algorithm")
    if not isinstance(row, JwsAlg) and row.bits and key_material.bits != row.bits:
        raise InvalidKeyError("the key has not the size of its algorithm")


def check_bits(row: Row, bits: int) -> None:
    """Refuse a size that no new key should have: only those of RSA can be chosen, and what is slower protects nobody.

    Raises:
        InvalidKeyError: another type of key, or another size.
    """
    if row.kty != "RSA" or not isinstance(bits, int) or bits not in RSA_SIZES:
        raise InvalidKeyError("bits is 2048, 3072 or 4096, of an RSA key")


def check_purpose(use: str | None, key_ops: frozenset[str] | None, *, signs: bool = True) -> None:
    """Refuse a key that is not meant for what its algorithm does, RFC 7517 §4.2, §4.3."""
    if use is not None and use != ("sig" if signs else "enc"):
        raise InvalidKeyError("use is not that of the algorithm")
    if key_ops is not None:
        allowed = _FOR_SIGNATURES if signs else FOR_WRAPPING | FOR_UNWRAPPING
        if not (key_ops and key_ops <= allowed):
            raise InvalidKeyError("key_ops names no operation of the algorithm, or others too")


def may(key_ops: frozenset[str] | None, one_of: frozenset[str]) -> bool:
    """Whether a key without restrictions, or with one of these, may do it."""
    return key_ops is None or bool(key_ops & one_of)


def public_operations(key_ops: frozenset[str]) -> frozenset[str]:
    """The operations of the public half, RFC 7517 §4.3."""
    return frozenset(_PUBLIC_OPERATION.get(name, name) for name in key_ops)


def check_kid(kid: str | None) -> None:
    """Refuse a `kid` that no token could carry."""
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= MAX_KID and not _LONE.search(kid)):
        raise InvalidKeyError("kid is a string of 1 to 128 characters")


def check_certificate(members: Mapping[str, Any], found: KeyMaterial) -> None:
    """Refuse an `x5c` whose first certificate holds another key, RFC 7517 §4.7. No chain is followed."""
    chain = members.get("x5c")
    if chain is None:
        return
    # Certificates are rare; their parser is loaded only for a key that has one.
    from binascii import a2b_base64

    from cryptography.x509 import load_der_x509_certificate

    try:
        if not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
            raise InvalidKeyError("x5c is not a list of certificates")
        first = a2b_base64(chain[0].encode("ascii"), strict_mode=True)
    except ValueError:
        raise InvalidKeyError("x5c cannot be read") from None
    if (
        parse(lambda raw: load_der_x509_certificate(raw).public_key(), first, "x5c cannot be read")
        != found.public
    ):
        raise InvalidKeyError("x5c certifies another key")


def signature_size(found: KeyMaterial, row: Row) -> int:
    """Octets of a signature under a key; 0 where it makes none."""
    if not isinstance(row, JwsAlg):
        return 0
    return row.signature_size or _SIGNATURE_SIZES.get(found.crv or "", (found.bits + 7) // 8)


def rows_of(alg: object) -> list[Row]:
    """The rows of that name: one, or one for each key type of an agreement; none where it is not supported."""
    if not isinstance(alg, str):
        return []
    if alg in JWS_ALGS:
        return [JWS_ALGS[alg]]
    return [row for (name, _), row in _for_encryption().items() if name == alg]


def is_alg_of(alg: object, kty: str, *, signs: bool) -> bool:
    """Whether it is an algorithm of that key type, for signatures or for encryption."""
    return any(row.kty == kty and isinstance(row, JwsAlg) is signs for row in rows_of(alg))


def row_of(alg: str, found: KeyMaterial) -> Row:
    """The row of that name for a key of this type.

    Raises:
        InvalidKeyError: no such algorithm.
    """
    rows = rows_of(alg)
    if not rows:
        raise InvalidKeyError("alg is not supported")
    return next((row for row in rows if row.kty == found.kty), rows[0])


def resolve(found: KeyMaterial, own: str | None, asked: str | None) -> Row:
    """The one algorithm of a key: its own, else the one asked for, else that of its curve."""
    if own is not None and asked is not None and own != asked:
        raise InvalidKeyError("alg is not the key's own")
    named = asked if own is None else own
    if named is not None:
        return row_of(named, found)
    if found.crv is not None:
        of_curve = _first(JWS_ALGS.values(), found) or _first(_for_encryption().values(), found)
        if of_curve is not None:
            return of_curve
    raise InvalidKeyError("the key names no algorithm: pass alg")


def _first(rows: Iterable[Row], found: KeyMaterial) -> "Row | None":
    return next((row for row in rows if row.kty == found.kty and found.crv in row.curves), None)


def operations(members: Mapping[str, Any]) -> frozenset[str] | None:
    """`key_ops`, RFC 7517 §4.3: names without repetition."""
    if "key_ops" not in members:
        return None
    value = members["key_ops"]
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InvalidKeyError("key_ops is not a list of strings")
    if len(set(value)) != len(value) or not _OPERATIONS.issuperset(value):
        raise InvalidKeyError("key_ops repeats a name or has an unknown one")
    return frozenset(value)
