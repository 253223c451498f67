"""What a key is made of, by key type: members in, checked key material out, RFC 7518 §6, RFC 8037 §2.

Each `kty` is one row of `KEY_TYPES`. Whatever comes in, JWK or PEM, ends here: each rule is held once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from admit.errors import InvalidKeyError, MalformedTokenError
from admit.jose import base64url, secret_check, small_order

MIN_RSA_BITS = 2048
# Verification time grows with the square of the size; a published key may not make it arbitrarily slow.
MAX_RSA_BITS = 8192
MAX_RSA_EXPONENT_BITS = 64

_CURVES: Mapping[str, ec.EllipticCurve] = MappingProxyType({"P-256": ec.SECP256R1()})


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """A checked key. `public` and `private` are objects of the `cryptography` package, octets for `oct`."""

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
    """One value of `kty`, RFC 7517 §4.1: its members and how they are read."""

    public_members: frozenset[str]
    private_members: frozenset[str]
    read: Callable[[Mapping[str, Any]], KeyMaterial]


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
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm):
        raise InvalidKeyError("the key's members do not make a key") from None


def octets(members: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    """A base64url member, of exactly `size` octets where that is given, RFC 7518 §6.2.1.2."""
    value = members.get(name)
    if not isinstance(value, str):
        raise InvalidKeyError(f"{name} is missing or not a string")
    try:
        raw = base64url.decode(value.encode("ascii"))
    except (UnicodeEncodeError, MalformedTokenError):
        raise InvalidKeyError(f"{name} is not base64url") from None
    if size is not None and len(raw) != size:
        raise InvalidKeyError(f"{name} has the wrong length")
    return raw


def unsigned(members: Mapping[str, Any], name: str) -> int:
    """A Base64urlUInt member in its shortest form, RFC 7518 §2."""
    raw = octets(members, name)
    if not raw or raw[0] == 0 or len(raw) > MAX_RSA_BITS // 8:
        raise InvalidKeyError(f"{name} is not in its shortest form")
    return int.from_bytes(raw, "big")


def _text(raw: bytes) -> str:
    return base64url.encode(raw).decode("ascii")


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _read_oct(members: Mapping[str, Any]) -> KeyMaterial:
    return of_secret(octets(members, "k"))


def of_secret(secret: bytes) -> KeyMaterial:
    """A symmetric key, RFC 7518 §6.4; refused when it looks like a public key, a password or a pattern."""
    secret_check.check_secret(secret)
    members = MappingProxyType({"k": _text(secret), "kty": "oct"})
    return KeyMaterial("oct", None, len(secret) * 8, secret, secret, MappingProxyType({}), members)


def _read_rsa(members: Mapping[str, Any]) -> KeyMaterial:
    if "oth" in members:
        raise InvalidKeyError("RSA keys of more than two primes are not supported")
    n, e = unsigned(members, "n"), unsigned(members, "e")
    check_rsa_size(n, e)
    numbers = rsa.RSAPublicNumbers(e, n)
    parts = [name for name in ("p", "q", "dp", "dq", "qi") if name in members]
    if "d" not in members:
        if parts:
            raise InvalidKeyError("d is missing")
        return of_rsa(numbers.public_key())
    d = unsigned(members, "d")
    if parts and len(parts) != 5:
        raise InvalidKeyError("p, q, dp, dq and qi belong together")
    if parts:
        p, q, dp, dq, qi = (unsigned(members, name) for name in ("p", "q", "dp", "dq", "qi"))
    else:
        p, q = rsa.rsa_recover_prime_factors(n, e, d)
        dp, dq, qi = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return of_rsa(rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, numbers).private_key())


def check_rsa_size(n: int, e: int) -> None:
    """Refuse moduli below 2048 bits, RFC 7518 §3.3, and exponents that sign nothing."""
    if not MIN_RSA_BITS <= n.bit_length() <= MAX_RSA_BITS:
        raise InvalidKeyError("RSA keys have 2048 to 8192 bits")
    if n % 2 == 0 or e % 2 == 0 or e < 3 or e.bit_length() > MAX_RSA_EXPONENT_BITS:
        raise InvalidKeyError("the RSA modulus or exponent cannot be right")


def of_rsa(key: Any) -> KeyMaterial:
    """An RSA key object, RFC 7518 §6.3."""
    private = key if isinstance(key, rsa.RSAPrivateKey) else None
    public = key.public_key() if private else key
    numbers = public.public_numbers()
    check_rsa_size(numbers.n, numbers.e)
    members = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    secret: dict[str, str] = {}
    if private:
        own = private.private_numbers()
        secret = {
            "d": _number(own.d),
            "p": _number(own.p),
            "q": _number(own.q),
            "dp": _number(own.dmp1),
            "dq": _number(own.dmq1),
            "qi": _number(own.iqmp),
        }
    return KeyMaterial(
        "RSA", None, public.key_size, public, private, MappingProxyType(members), MappingProxyType(secret)
    )


def _read_ec(members: Mapping[str, Any]) -> KeyMaterial:
    crv = members.get("crv")
    curve = _CURVES.get(crv) if isinstance(crv, str) else None
    if curve is None:
        raise InvalidKeyError("crv is not supported")
    size = (curve.key_size + 7) // 8
    x, y = octets(members, "x", size), octets(members, "y", size)
    # Building the point raises where it is not on the curve, RFC 8725 §3.4.
    public = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve
    ).public_key()
    if "d" not in members:
        return of_ec(public)
    private = ec.derive_private_key(int.from_bytes(octets(members, "d", size), "big"), curve)
    if private.public_key() != public:
        raise InvalidKeyError("d does not belong to the public key")
    return of_ec(private)


def of_ec(key: Any) -> KeyMaterial:
    """An elliptic curve key object, RFC 7518 §6.2."""
    private = key if isinstance(key, ec.EllipticCurvePrivateKey) else None
    public = key.public_key() if private else key
    crv = next((name for name, curve in _CURVES.items() if curve.name == public.curve.name), None)
    if crv is None:
        raise InvalidKeyError("crv is not supported")
    size = (public.key_size + 7) // 8
    point = public.public_numbers()
    members = {
        "crv": crv,
        "kty": "EC",
        "x": _text(point.x.to_bytes(size, "big")),
        "y": _text(point.y.to_bytes(size, "big")),
    }
    secret = {"d": _text(private.private_numbers().private_value.to_bytes(size, "big"))} if private else {}
    return KeyMaterial(
        "EC", crv, public.key_size, public, private, MappingProxyType(members), MappingProxyType(secret)
    )


def _read_okp(members: Mapping[str, Any]) -> KeyMaterial:
    if members.get("crv") != "Ed25519":
        raise InvalidKeyError("crv is not supported")
    x = octets(members, "x", 32)
    small_order.check_ed25519_point(x)
    if "d" not in members:
        return of_ed25519(ed25519.Ed25519PublicKey.from_public_bytes(x))
    material = of_ed25519(ed25519.Ed25519PrivateKey.from_private_bytes(octets(members, "d", 32)))
    if octets(material.public_members, "x") != x:
        raise InvalidKeyError("d does not belong to the public key")
    return material


def of_ed25519(key: Any) -> KeyMaterial:
    """An Ed25519 key object, RFC 8037 §2."""
    private = key if isinstance(key, ed25519.Ed25519PrivateKey) else None
    public = key.public_key() if private else key
    x = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    small_order.check_ed25519_point(x)
    members = {"crv": "Ed25519", "kty": "OKP", "x": _text(x)}
    secret = {}
    if private:
        secret = {"d": _text(private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))}
    return KeyMaterial(
        "OKP", "Ed25519", 256, public, private, MappingProxyType(members), MappingProxyType(secret)
    )


KEY_TYPES: Mapping[str, KeyType] = MappingProxyType(
    {
        "oct": KeyType(frozenset(), frozenset({"k"}), _read_oct),
        "RSA": KeyType(frozenset({"n", "e"}), frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"}), _read_rsa),
        "EC": KeyType(frozenset({"crv", "x", "y"}), frozenset({"d"}), _read_ec),
        "OKP": KeyType(frozenset({"crv", "x"}), frozenset({"d"}), _read_okp),
    }
)
PRIVATE_MEMBERS: frozenset[str] = frozenset().union(*(row.private_members for row in KEY_TYPES.values()))
"""Members that must never stand in a published key set."""
