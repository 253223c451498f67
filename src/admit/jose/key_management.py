"""Key management, RFC 7518 §4, RFC 8037 §3.2: how the key of the content reaches its reader; the `alg` of a JWE.

A row prepares, once for each key, the two functions that do the work. RSA1_5 has no row: it cannot be read
without telling an attacker something (RFC 7516 §11.5, RFC 8017 §7.2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import urandom
from types import MappingProxyType
from typing import Any, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

from admit.errors import InvalidKeyError, MalformedTokenError
from admit.jose import base64url, material
from admit.jose.content import ContentAlg
from admit.jose.material import KeyMaterial, octet

MAX_PARTY = 512
"""Octets of `apu`, `apv` and `p2s`."""
MIN_ITERATIONS, MAX_ITERATIONS = 1_000, 1_200_000
ITERATIONS = {"SHA256": 600_000, "SHA384": 300_000, "SHA512": 210_000}
"""What PBES2 does with each hash to keys that are wrapped here."""

Header: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A content key on its way: the key itself, how it is sent, and what the header has to say for it."""

    cek: bytes = field(repr=False)
    encrypted_key: bytes
    header: Header


Wrap: TypeAlias = Callable[[ContentAlg, bytes | None, Header], Wrapped]
"""Takes `enc`, a content key that exists already (several recipients) or None, and the members given so far."""
Unwrap: TypeAlias = Callable[[ContentAlg, bytes, Header], bytes]
"""Takes `enc`, the encrypted key and the header. Raises ValueError, MalformedTokenError or a kin of the primitive."""


@dataclass(frozen=True, slots=True)
class JweAlg:
    """One value of `alg` in a JWE. `bits` is the exact size of a symmetric key, `min_bits` the least of others.

    `direct` says that the content key is agreed on and not sent, so that there can be no second recipient.
    """

    name: str
    kty: str
    curves: frozenset[str]
    min_bits: int
    wrapper: Callable[[KeyMaterial], Wrap]
    unwrapper: Callable[[KeyMaterial], Unwrap]
    bits: int = 0
    direct: bool = False


_NOTHING: Header = MappingProxyType({})


def _cek(enc: ContentAlg, given: bytes | None) -> bytes:
    return urandom(enc.key_size) if given is None else given


def _dir(name: str, enc_name: str | None, bits: int) -> JweAlg:
    """Direct use of a shared key, RFC 7518 §4.5. A key whose `alg` is an `enc` serves that one only."""

    def secret(found: KeyMaterial, enc: ContentAlg) -> bytes:
        raw: bytes = found.private
        if len(raw) != enc.key_size or enc_name not in (None, enc.name):
            raise InvalidKeyError("the key is not one for this enc")
        return raw

    def wrapper(found: KeyMaterial) -> Wrap:
        return lambda enc, _given, _header: Wrapped(secret(found, enc), b"", _NOTHING)

    def unwrapper(found: KeyMaterial) -> Unwrap:
        def unwrap(enc: ContentAlg, encrypted: bytes, _header: Header) -> bytes:
            if encrypted:
                raise MalformedTokenError("a direct key is not sent")
            return secret(found, enc)

        return unwrap

    return JweAlg(name, "oct", frozenset(), 128, wrapper, unwrapper, bits=bits, direct=True)


def _aes_kw(name: str, bits: int) -> JweAlg:
    """AES Key Wrap, RFC 7518 §4.4."""

    def wrapper(found: KeyMaterial) -> Wrap:
        def wrap(enc: ContentAlg, given: bytes | None, _header: Header) -> Wrapped:
            cek = _cek(enc, given)
            return Wrapped(cek, aes_key_wrap(found.private, cek), _NOTHING)

        return wrap

    def unwrapper(found: KeyMaterial) -> Unwrap:
        return lambda _enc, encrypted, _header: aes_key_unwrap(found.private, encrypted)

    return JweAlg(name, "oct", frozenset(), bits, wrapper, unwrapper, bits=bits)


def _aes_gcm_kw(name: str, bits: int) -> JweAlg:
    """AES-GCM around the content key, RFC 7518 §4.7; its `iv` and `tag` stand in the header."""

    def wrapper(found: KeyMaterial) -> Wrap:
        def wrap(enc: ContentAlg, given: bytes | None, _header: Header) -> Wrapped:
            cek, iv = _cek(enc, given), urandom(12)
            both = AESGCM(found.private).encrypt(iv, cek, None)
            return Wrapped(cek, both[:-16], {"iv": text(iv), "tag": text(both[-16:])})

        return wrap

    def unwrapper(found: KeyMaterial) -> Unwrap:
        def unwrap(_enc: ContentAlg, encrypted: bytes, header: Header) -> bytes:
            iv, tag = octets(header, "iv", 12), octets(header, "tag", 16)
            return AESGCM(found.private).decrypt(iv, encrypted + tag, None)

        return unwrap

    return JweAlg(name, "oct", frozenset(), bits, wrapper, unwrapper, bits=bits)


def _rsa_oaep(name: str, algorithm: hashes.HashAlgorithm) -> JweAlg:
    """RSAES OAEP, RFC 7518 §4.3."""
    scheme = padding.OAEP(padding.MGF1(algorithm), algorithm, None)

    def wrapper(found: KeyMaterial) -> Wrap:
        def wrap(enc: ContentAlg, given: bytes | None, _header: Header) -> Wrapped:
            cek = _cek(enc, given)
            return Wrapped(cek, found.public.encrypt(cek, scheme), _NOTHING)

        return wrap

    def unwrapper(found: KeyMaterial) -> Unwrap:
        def unwrap(_enc: ContentAlg, encrypted: bytes, _header: Header) -> bytes:
            cek: bytes = found.private.decrypt(encrypted, scheme)
            return cek

        return unwrap

    return JweAlg(name, "RSA", frozenset(), 2048, wrapper, unwrapper)


def _ecdh_es(name: str, kty: str, curves: frozenset[str], kw: int = 0) -> JweAlg:
    """Key agreement with a key made for one message, RFC 7518 §4.6, RFC 8037 §3.2; then AES Key Wrap, if `kw` bits."""

    def derive(shared: bytes, enc: ContentAlg, header: Header) -> bytes:
        size = kw // 8 if kw else enc.key_size
        parties = [octets(header, party, optional=True) for party in ("apu", "apv")]
        # Concat KDF: what the key is for, for whom, and how long it is, RFC 7518 §4.6.2.
        told = [(name if kw else enc.name).encode(), *parties]
        info = b"".join(len(one).to_bytes(4, "big") + one for one in told) + (size * 8).to_bytes(4, "big")
        return ConcatKDFHash(hashes.SHA256(), size, info).derive(shared)

    def wrapper(found: KeyMaterial) -> Wrap:
        def wrap(enc: ContentAlg, given: bytes | None, header: Header) -> Wrapped:
            fresh = material.KEY_TYPES[found.kty].generate(found.crv, 0)
            key = derive(agree(fresh.private, found.public), enc, header)
            epk = {"epk": dict(fresh.public_members)}
            if not kw:
                return Wrapped(key, b"", epk)
            cek = _cek(enc, given)
            return Wrapped(cek, aes_key_wrap(key, cek), epk)

        return wrap

    def unwrapper(found: KeyMaterial) -> Unwrap:
        def unwrap(enc: ContentAlg, encrypted: bytes, header: Header) -> bytes:
            key = derive(agree(found.private, sender(header, found)), enc, header)
            if kw:
                return aes_key_unwrap(key, encrypted)
            if encrypted:
                raise MalformedTokenError("an agreed key is not sent")
            return key

        return unwrap

    return JweAlg(name, kty, curves, 0, wrapper, unwrapper, direct=not kw)


def sender(header: Header, own: KeyMaterial) -> Any:
    """`epk` as a public key on the very curve of our own, RFC 7518 §4.6.1.1; its point is checked, RFC 8725 §3.4."""
    members = header.get("epk")
    if not isinstance(members, dict) or members.keys() & material.PRIVATE_MEMBERS:
        raise MalformedTokenError("epk is missing or no public key")
    if (members.get("kty"), members.get("crv")) != (own.kty, own.crv):
        raise MalformedTokenError("epk is of another curve")
    try:
        return material.read_members(members).public
    except InvalidKeyError:
        raise MalformedTokenError("epk is no key") from None


def agree(private: Any, public: Any) -> bytes:
    """The shared secret of two keys of one curve. Raises ValueError where it would be all zero, RFC 7748 §6."""
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.exchange(ec.ECDH(), public)
    shared: bytes = private.exchange(public)
    return shared


def _pbes2(name: str, algorithm: hashes.HashAlgorithm, bits: int) -> JweAlg:
    """A key made of a password, RFC 7518 §4.8. Only `JWK.password` makes keys for it."""

    def derived(found: KeyMaterial, salt: bytes, rounds: int) -> bytes:
        return PBKDF2HMAC(algorithm, bits // 8, name.encode() + b"\x00" + salt, rounds).derive(found.private)

    def wrapper(found: KeyMaterial) -> Wrap:
        def wrap(enc: ContentAlg, given: bytes | None, _header: Header) -> Wrapped:
            cek, salt = _cek(enc, given), urandom(16)
            rounds = ITERATIONS[f"SHA{algorithm.digest_size * 8}"]
            encrypted = aes_key_wrap(derived(found, salt, rounds), cek)
            return Wrapped(cek, encrypted, {"p2s": text(salt), "p2c": rounds})

        return wrap

    def unwrapper(found: KeyMaterial) -> Unwrap:
        def unwrap(_enc: ContentAlg, encrypted: bytes, header: Header) -> bytes:
            salt = octets(header, "p2s")
            check_iterations(header)
            if len(salt) < 8:
                raise MalformedTokenError("p2s is shorter than 8 octets")
            return aes_key_unwrap(derived(found, salt, header["p2c"]), encrypted)

        return unwrap

    return JweAlg(name, "oct", frozenset({octet.PASSWORD}), 0, wrapper, unwrapper)


def check_iterations(header: Header) -> None:
    """Hold `p2c` between 1,000 and 1.2 million: a stranger's number must not buy a minute of work, RFC 8725 §3.13."""
    rounds = header.get("p2c")
    if type(rounds) is not int or not MIN_ITERATIONS <= rounds <= MAX_ITERATIONS:
        raise MalformedTokenError("p2c is not a number from 1,000 to 1,200,000")


def octets(header: Header, name: str, size: int | None = None, *, optional: bool = False) -> bytes:
    """A base64url member of a header, of `size` octets where that is given."""
    if optional and name not in header:
        return b""
    value = header.get(name)
    if not isinstance(value, str) or not value.isascii():
        raise MalformedTokenError(f"{name} is missing or not a string")
    raw = base64url.decode(value.encode())
    if len(raw) > MAX_PARTY or (size is not None and len(raw) != size):
        raise MalformedTokenError(f"{name} has the wrong length")
    return raw


def text(raw: bytes) -> str:
    """Octets as a member of a header."""
    return base64url.encode(raw).decode("ascii")


_EC = frozenset({"P-256", "P-384", "P-521"})
_OKP = frozenset({"X25519", "X448"})
_ROWS = (
    _dir("dir", None, 0),
    *(_dir(name, name, bits) for name, bits in (
        ("A128CBC-HS256", 256), ("A192CBC-HS384", 384), ("A256CBC-HS512", 512),
        ("A128GCM", 128), ("A192GCM", 192), ("A256GCM", 256),
    )),
    *(_aes_kw(f"A{bits}KW", bits) for bits in (128, 192, 256)),
    *(_aes_gcm_kw(f"A{bits}GCMKW", bits) for bits in (128, 192, 256)),
    _rsa_oaep("RSA-OAEP", hashes.SHA1()),  # noqa: S303 - OAEP does not rest on collisions; RFC 7518 §4.3 names SHA-1
    _rsa_oaep("RSA-OAEP-256", hashes.SHA256()),
    _pbes2("PBES2-HS256+A128KW", hashes.SHA256(), 128),
    _pbes2("PBES2-HS384+A192KW", hashes.SHA384(), 192),
    _pbes2("PBES2-HS512+A256KW", hashes.SHA512(), 256),
)  # fmt: skip

JWE_ALGS: Mapping[tuple[str, str], JweAlg] = MappingProxyType(
    {(row.name, row.kty): row for row in _ROWS}
    | {
        (name, kty): _ecdh_es(name, kty, curves, kw)
        for name, kw in (
            ("ECDH-ES", 0),
            ("ECDH-ES+A128KW", 128),
            ("ECDH-ES+A192KW", 192),
            ("ECDH-ES+A256KW", 256),
        )
        for kty, curves in (("EC", _EC), ("OKP", _OKP))
    }
)
"""Every key management that can be written or read, by `alg` and `kty`. A key for `dir` may name its `enc` instead."""
