"""JSON serialisations of encryption, RFC 7516 §7.2: several recipients, headers not protected, additional data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import urandom
from types import MappingProxyType
from typing import Any

from admit.errors import (
    AlgorithmError,
    CriticalHeaderError,
    DecryptionError,
    InvalidKeyError,
    KeyNotFoundError,
    MalformedTokenError,
)
from admit.jose import base64url, jwe, jws, serialisation
from admit.jose import header as rules
from admit.jose.content import ContentAlg
from admit.jose.jwe import DEFAULT_ENC, MAX_PLAINTEXT
from admit.jose.jwk import JWK
from admit.jose.jwks import JWKSet
from admit.jose.key_management import MAX_ITERATIONS

MAX_JSON = 524_288
"""Octets of a whole JSON serialisation."""
MAX_RECIPIENTS = 16
MAX_TRIES = 4
"""Recipients that are tried with one key: each may cost an operation with a private key."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Recipient:
    """A key to encrypt for, with what its own header adds. That header is not protected.

    `apu` and `apv` tell ECDH-ES who sends and who receives, RFC 7518 §4.6.1.2; the key depends on them, so nobody
    changes them unnoticed.
    """

    key: JWK
    header: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    apu: bytes | None = None
    apv: bytes | None = None


@dataclass(frozen=True, slots=True)
class DecryptedJson:
    """A decrypted serialisation. `protected` and `aad` were authenticated; `unprotected` was written by anybody."""

    plaintext: bytes = field(repr=False)
    protected: Mapping[str, Any]
    unprotected: Mapping[str, Any]
    aad: bytes | None
    key: JWK


def encrypt_json(
    plaintext: bytes,
    recipients: Recipient | JWK | Sequence[Recipient | JWK],
    *,
    enc: str = DEFAULT_ENC,
    typ: str | None = None,
    cty: str | None = None,
    protected: Mapping[str, Any] = _NOTHING,
    unprotected: Mapping[str, Any] = _NOTHING,
    aad: bytes | None = None,
) -> dict[str, Any]:
    """Encrypt octets once for each recipient's key, RFC 7516 §7.2. One by itself makes the flattened form.

    `enc` and `typ` are protected; what belongs to one recipient (`alg`, `kid`, `epk` …) stands in its own header.
    `aad` is sent along and authenticated, not hidden.

    Raises:
        InvalidKeyError: no recipient, too many, a key that may not encrypt, or a direct key beside others.
        MalformedTokenError: a header that repeats what is decided elsewhere.
    """
    alone = isinstance(recipients, Recipient | JWK)
    given: Sequence[Recipient | JWK] = [recipients] if isinstance(recipients, Recipient | JWK) else recipients
    if not isinstance(given, Sequence) or not 1 <= len(given) <= MAX_RECIPIENTS:
        raise InvalidKeyError("1 to 16 recipients")
    chosen = [one if isinstance(one, Recipient) else Recipient(one) for one in given]
    if not all(isinstance(one.key, JWK) for one in chosen):
        raise InvalidKeyError("a key is a JWK")
    if len(chosen) > 1 and any(one.key.is_direct for one in chosen):
        raise InvalidKeyError("a direct key has no other recipients")
    jwe.check_plaintext(plaintext)
    if aad is not None and not isinstance(aad, bytes):
        raise MalformedTokenError("aad is octets")
    rules.check_written(protected, unprotected, *(one.header for one in chosen), typ=typ, cty=cty)
    row = jwe.content_alg(chosen[0].key, enc)
    shared = (
        {"enc": row.name} | {n: v for n, v in (("typ", typ), ("cty", cty)) if v is not None} | dict(protected)
    )
    if (protected.keys() | unprotected.keys()) & jwe.OWN_MEMBERS or shared.keys() & unprotected.keys():
        raise MalformedTokenError("the header repeats a member that is decided elsewhere")
    cek: bytes | None = None
    sent: list[dict[str, Any]] = []
    for one in chosen:
        cek, entry = _wrap(one, row, cek, shared.keys() | unprotected.keys())
        sent.append(entry)
    assert cek is not None
    head, iv = jwe.encode_header(shared), urandom(row.iv_size)
    ciphertext, tag = row.encrypt(cek, iv, plaintext, _authenticated(head, aad))
    result: dict[str, Any] = {"protected": head.decode("ascii")}
    if unprotected:
        jwe.encode_header(unprotected)
        result["unprotected"] = dict(unprotected)
    if aad is not None:
        result["aad"] = _text(aad)
    result |= {"iv": _text(iv), "ciphertext": _text(ciphertext), "tag": _text(tag)}
    result |= sent[0] if alone else {"recipients": sent}
    serialisation.check(result, MAX_JSON)
    return result


def _wrap(
    one: Recipient, row: ContentAlg, cek: bytes | None, taken: set[str]
) -> tuple[bytes, dict[str, Any]]:
    key = one.key
    if key.wrapper is None:
        raise InvalidKeyError("the key may not encrypt")
    if one.header.keys() & (jwe.OWN_MEMBERS | taken):
        raise MalformedTokenError("the header repeats a member that is decided elsewhere")
    own = {"alg": jwe.named_alg(key)} | ({} if key.kid is None else {"kid": key.kid})
    own |= jwe.parties(one.apu, one.apv) | dict(one.header)
    wrapped = key.wrapper(row, cek, own)
    header = own | dict(wrapped.header)
    jwe.encode_header(header)  # what could not be read back is not written
    entry: dict[str, Any] = {"header": header}
    if wrapped.encrypted_key:
        entry["encrypted_key"] = _text(wrapped.encrypted_key)
    return wrapped.cek, entry


def _text(raw: bytes) -> str:
    return base64url.encode(raw).decode("ascii")


def _authenticated(head: bytes, aad: bytes | None) -> bytes:
    """The additional authenticated data, RFC 7516 §5.1 step 14."""
    return head if aad is None else head + b"." + base64url.encode(aad)


def decrypt_json(
    data: str | bytes | Mapping[str, Any],
    key: JWK | JWKSet,
    *,
    enc: frozenset[str] | None = None,
    max_plaintext: int = MAX_PLAINTEXT,
) -> DecryptedJson:
    """Decrypt a JSON serialisation for the recipient whose key is given, RFC 7516 §5.2.

    Of several recipients those that are not for this key, or make no sense, are passed over; at most 4 are tried.

    Raises:
        MalformedTokenError, CriticalHeaderError: not a strict JSON serialisation.
        AlgorithmError, KeyNotFoundError: it is for nobody whose key is here.
        DecryptionError: everything else, whatever it was.
        ConfigError: `enc` is no frozenset, or `max_plaintext` no number of octets.
    """
    jwe.check_terms(enc, max_plaintext)
    members = serialisation.read(data, MAX_JSON)
    head = _encoded(members, "protected", required=False)
    if "protected" in members and not head:
        raise MalformedTokenError("an empty protected header is left out")
    protected = jws.read_header(head) if head else {}
    iv, ciphertext, tag = (base64url.decode(_encoded(members, name)) for name in ("iv", "ciphertext", "tag"))
    aad = base64url.decode(_encoded(members, "aad")) if "aad" in members else None
    shared = _object(members, "unprotected")
    entries = _recipients(members)
    passed_over: Exception | None = None
    spent = tried = 0
    for entry in entries:
        try:
            joint, unprotected, row, encrypted_key = _read(entry, shared, protected, enc)
            chosen = _choose(joint, key, alone=len(entries) == 1)
        except (AlgorithmError, CriticalHeaderError, KeyNotFoundError, MalformedTokenError) as error:
            if len(entries) == 1:
                raise
            passed_over = passed_over or error
            continue
        spent, tried = check_work(joint, spent), tried + 1
        if tried > MAX_TRIES:
            break
        cek = jwe.content_key(chosen, row, encrypted_key, joint)
        try:
            plaintext = jwe.open_content(
                row, cek, iv, ciphertext, tag, _authenticated(head, aad), joint, max_plaintext
            )
        except DecryptionError as error:
            passed_over = error
            continue
        return DecryptedJson(plaintext, jws.read_only(protected), jws.read_only(unprotected), aad, chosen)
    raise passed_over or DecryptionError("the token cannot be decrypted")


def _read(
    entry: Mapping[str, Any], shared: dict[str, Any], protected: dict[str, Any], enc: frozenset[str] | None
) -> tuple[dict[str, Any], dict[str, Any], ContentAlg, bytes]:
    """The joint header of one recipient, what of it is not protected, the row of `enc`, and the encrypted key."""
    own = _object(entry, "header")
    unprotected = {**shared, **own}
    if len(unprotected) < len(shared) + len(own) or protected.keys() & unprotected.keys():
        raise MalformedTokenError("a member stands in two headers")
    if unprotected.keys() & {"crit", "zip"}:
        raise MalformedTokenError("crit and zip are protected or nowhere")
    joint = {**unprotected, **protected}
    row = jwe.check_header(joint, enc)
    return joint, unprotected, row, base64url.decode(_encoded(entry, "encrypted_key", required=False))


def _choose(joint: Mapping[str, Any], key: JWK | JWKSet, *, alone: bool) -> JWK:
    """The key for one recipient; where there are several, one that names another `kid` is somebody else."""
    chosen, named = jwe.choose_key(joint, key), joint.get("kid")
    if not alone and named is not None and chosen.kid is not None and named != chosen.kid:
        raise KeyNotFoundError("it is for a key of another kid")
    return chosen


def check_work(header: Mapping[str, Any], spent: int) -> int:
    """The iterations asked for so far, with those of one recipient more: all of them together buy no minute of work.

    Raises:
        MalformedTokenError: more than twice what one may ask for.
    """
    rounds = header.get("p2c")  # one beyond its own bound is refused by the key, as all about a recipient
    spent += rounds if isinstance(rounds, int) and 0 < rounds <= MAX_ITERATIONS else 0
    if spent > 2 * MAX_ITERATIONS:
        raise MalformedTokenError("the recipients ask for too many iterations")
    return spent


def _encoded(members: Mapping[str, Any], name: str, *, required: bool = True) -> bytes:
    if name not in members and not required:
        return b""
    value = members.get(name)
    if not isinstance(value, str):
        raise MalformedTokenError(f"{name} is missing or not a string")
    return value.encode()


def _object(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = members.get(name, {})
    if not isinstance(value, dict):
        raise MalformedTokenError(f"{name} is not an object")
    return value


def _recipients(members: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    if "recipients" not in members:
        return [members]
    if members.keys() & {"header", "encrypted_key"}:
        raise MalformedTokenError("flattened and general form are mixed")
    entries = members["recipients"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_RECIPIENTS:
        raise MalformedTokenError("recipients is not a list of 1 to 16")
    if not all(isinstance(entry, dict) for entry in entries):
        raise MalformedTokenError("a recipient is not an object")
    return entries
