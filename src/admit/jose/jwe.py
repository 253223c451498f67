"""Encryption, RFC 7516: compact form, and what all forms share. What can be decrypted was not thereby written by
anybody in particular: with a public key everyone encrypts. Who wrote it is what a signature inside tells.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import urandom
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap

from admit.errors import (
    AdmitError,
    AlgorithmError,
    ConfigError,
    DecryptionError,
    InvalidKeyError,
    KeyNotFoundError,
    MalformedTokenError,
)
from admit.jose import base64url, json, jws
from admit.jose import header as rules
from admit.jose.content import CONTENT_ALGS, ContentAlg
from admit.jose.jwk import JWK
from admit.jose.jwks import JWKSet

MAX_TOKEN = 262_144
"""Octets of a whole encrypted token."""
MAX_PLAINTEXT = 250_000
"""Octets that a compressed plaintext may come to, RFC 8725 §3.6 and its successor."""
DEFAULT_ENC = "A256GCM"
OWN_MEMBERS = frozenset(
    {"alg", "enc", "kid", "typ", "cty", "zip", "crit", "b64", "epk", "apu", "apv", "iv", "tag", "p2s", "p2c"}
)
"""Header members that the key, the keywords and the algorithm decide."""

# What primitives say of input that is not theirs. All of it becomes one and the same error.
_FAILED = (InvalidTag, InvalidUnwrap, ValueError, TypeError, OverflowError, AdmitError)


@dataclass(frozen=True, slots=True)
class DecryptedJwe:
    """A decrypted token. `header` was authenticated with the content, except where a JSON form says otherwise."""

    header: Mapping[str, Any]
    plaintext: bytes = field(repr=False)
    key: JWK


def encrypt(
    plaintext: bytes,
    key: JWK,
    *,
    enc: str = DEFAULT_ENC,
    typ: str | None = None,
    cty: str | None = None,
    apu: bytes | None = None,
    apv: bytes | None = None,
    header: Mapping[str, Any] | None = None,
) -> str:
    """Encrypt octets for the holder of `key`, RFC 7516 §5.1. Nothing is compressed: that tells lengths of secrets.

    A key whose `alg` is an `enc` serves that one. `apu` and `apv` tell ECDH-ES who sends and who receives.

    Raises:
        InvalidKeyError: the key may not encrypt, or not with this `enc`.
        MalformedTokenError: `header` repeats what is decided elsewhere, or is not JSON; too large.
    """
    check_plaintext(plaintext)
    row = content_alg(key, enc)
    extra = {} if header is None else header
    members = own_header(key, row, typ=typ, cty=cty, apu=apu, apv=apv, extra=extra)
    if key.wrapper is None:
        raise InvalidKeyError("the key may not encrypt")
    wrapped = key.wrapper(row, None, members)
    protected = encode_header({**members, **wrapped.header})
    iv = urandom(row.iv_size)
    ciphertext, tag = row.encrypt(wrapped.cek, iv, plaintext, protected)
    token = b".".join(
        (protected, *(base64url.encode(part) for part in (wrapped.encrypted_key, iv, ciphertext, tag)))
    )
    if len(token) > MAX_TOKEN:
        raise MalformedTokenError("the token is too large")
    return token.decode("ascii")


def check_plaintext(plaintext: bytes) -> None:
    """Refuse text where octets are encrypted.

    Raises:
        MalformedTokenError: it is not bytes.
    """
    if not isinstance(plaintext, bytes):
        raise MalformedTokenError("a plaintext is octets")


def content_alg(key: JWK, enc: str) -> ContentAlg:
    """The row of `enc`: a key that is bound to one has its own."""
    if not isinstance(key, JWK):
        raise InvalidKeyError("a key is a JWK")
    name = key.alg if key.alg in CONTENT_ALGS and enc == DEFAULT_ENC else enc
    row = CONTENT_ALGS.get(name) if isinstance(name, str) else None
    if row is None:
        raise InvalidKeyError("enc is not supported")
    return row


def named_alg(key: JWK) -> str:
    """What the header calls the key's algorithm: a key for one `enc` is used directly, RFC 7518 §4.5."""
    return "dir" if key.alg in CONTENT_ALGS else key.alg


def own_header(
    key: JWK, row: ContentAlg, *, typ: str | None, cty: str | None, apu: bytes | None, apv: bytes | None,
    extra: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """The members that key and keywords decide, with the caller's own."""
    rules.check_written(extra, typ=typ, cty=cty)
    if extra.keys() & OWN_MEMBERS:
        raise MalformedTokenError("the header repeats a member that is decided elsewhere")
    given = {"typ": typ, "cty": cty, "kid": key.kid}
    members: dict[str, Any] = {"alg": named_alg(key), "enc": row.name}
    members |= {name: value for name, value in given.items() if value is not None}
    return members | parties(apu, apv) | dict(extra)


def parties(apu: bytes | None, apv: bytes | None) -> dict[str, str]:
    """Who sends and who receives, as members of a header, RFC 7518 §4.6.1.2, §4.6.1.3.

    Raises:
        MalformedTokenError: one is not octets.
    """
    if not all(value is None or isinstance(value, bytes) for value in (apu, apv)):
        raise MalformedTokenError("apu and apv are octets")
    given = {"apu": apu, "apv": apv}
    return {
        name: base64url.encode(value).decode("ascii") for name, value in given.items() if value is not None
    }


def encode_header(members: Mapping[str, Any]) -> bytes:
    """An encoded protected header."""
    try:
        written = json.dumps_object(members)
    except ValueError:
        raise MalformedTokenError("the header is not JSON") from None
    if len(written) > jws.MAX_HEADER:
        raise MalformedTokenError("the header is too large")
    return base64url.encode(written)


def decrypt(
    token: str | bytes,
    key: JWK | JWKSet,
    *,
    enc: frozenset[str] | None = None,
    max_plaintext: int = MAX_PLAINTEXT,
) -> DecryptedJwe:
    """Decrypt a compact token with a trusted key, RFC 7516 §5.2. `enc` narrows the content encryptions taken.

    Raises:
        MalformedTokenError: not a compact JWE by the strict rules.
        CriticalHeaderError: `crit` is there; no extension is understood.
        AlgorithmError, KeyNotFoundError: `alg` is not the key's, `enc` not one of those taken, or no such `kid`.
        DecryptionError: everything else, whatever it was.
        ConfigError: `enc` is no frozenset, or `max_plaintext` no number of octets.
    """
    check_terms(enc, max_plaintext)
    parts = jws.octets_of(token, MAX_TOKEN).split(b".")
    if len(parts) != 5:
        raise MalformedTokenError("not five parts")
    members = jws.read_header(parts[0])
    encrypted_key, iv, ciphertext, tag = (base64url.decode(part) for part in parts[1:])
    row = check_header(members, enc)
    chosen = choose_key(members, key)
    cek = content_key(chosen, row, encrypted_key, members)
    plaintext = open_content(row, cek, iv, ciphertext, tag, parts[0], members, max_plaintext)
    return DecryptedJwe(jws.read_only(members), plaintext, chosen)


def check_terms(enc: frozenset[str] | None, max_plaintext: int) -> None:
    """Refuse what a program cannot have meant, before anything is read.

    Raises:
        ConfigError: `enc` is no frozenset, or `max_plaintext` no number of octets.
    """
    if enc is not None and not isinstance(enc, frozenset):
        raise ConfigError("enc is a frozenset of names")
    if not isinstance(max_plaintext, int) or isinstance(max_plaintext, bool) or max_plaintext < 0:
        raise ConfigError("max_plaintext is a number of octets")


def check_header(members: Mapping[str, Any], enc: frozenset[str] | None) -> ContentAlg:
    """Hold the types of the members, before any cryptography; the row of `enc`."""
    rules.check_header(members)
    name = members.get("enc")
    row = CONTENT_ALGS.get(name) if isinstance(name, str) else None
    if row is None or (enc is not None and name not in enc):
        raise AlgorithmError("enc is missing or not one of those taken")
    if members.get("zip", "DEF") != "DEF":
        raise MalformedTokenError("zip is not DEF")
    return row


def choose_key(members: Mapping[str, Any], key: JWK | JWKSet) -> JWK:
    """The key that the caller trusts for this header, which must be one for encryption."""
    if isinstance(key, JWKSet):
        key = _find(key, members.get("kid"), members["alg"], members["enc"])
        if key.unwrapper is None:  # the token chose it, so this says something of the token
            raise KeyNotFoundError("no key of that kid and alg decrypts")
    elif not isinstance(key, JWK):
        raise InvalidKeyError("a key is a JWK or a JWKSet")
    rules.check_alg(members["alg"], named_alg(key))
    if key.alg in CONTENT_ALGS and key.alg != members["enc"]:
        raise AlgorithmError("enc is not the key's")
    if key.unwrapper is None:
        raise InvalidKeyError("the key may not decrypt")
    return key


def _find(keys: JWKSet, kid: str | None, alg: str, enc: str) -> JWK:
    """The set's key for this header; one for `dir` may be named after its `enc`."""
    if alg == "dir":
        try:
            return keys.find(kid, enc)
        except (AlgorithmError, KeyNotFoundError):
            pass
    return keys.find(kid, alg)


def content_key(key: JWK, row: ContentAlg, encrypted_key: bytes, members: Mapping[str, Any]) -> bytes:
    """The key of the content; a random one where it cannot be had, so that all failures look and last alike.

    Whoever sends altered keys must not learn at which step they were refused, RFC 7516 §11.5.
    """
    instead = urandom(row.key_size)
    assert key.unwrapper is not None
    try:
        cek = key.unwrapper(row, encrypted_key, members)
    except _FAILED:
        return instead
    return cek if len(cek) == row.key_size else instead


def open_content(
    row: ContentAlg, cek: bytes, iv: bytes, ciphertext: bytes, tag: bytes, aad: bytes, members: Mapping[str, Any],
    max_plaintext: int,
) -> bytes:  # fmt: skip
    """The plaintext.

    Raises:
        DecryptionError: key, tag, ciphertext, padding or compression is wrong: one error for all.
    """
    try:
        if len(iv) != row.iv_size or len(tag) != row.tag_size:
            raise ValueError
        plaintext = row.decrypt(cek, iv, ciphertext, tag, aad)
        return inflate(plaintext, max_plaintext) if "zip" in members else plaintext
    except _FAILED:
        raise DecryptionError("the token cannot be decrypted") from None


def inflate(data: bytes, limit: int) -> bytes:
    """Raw DEFLATE, RFC 1951, of one complete stream that comes to at most `limit` octets; no more are ever made."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = stream.decompress(data, limit + 1)
    except zlib.error:
        raise ValueError from None
    if len(plain) > limit or not stream.eof or stream.unused_data:
        raise ValueError
    return plain
