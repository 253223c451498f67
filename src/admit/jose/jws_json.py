"""JSON serialisations of signatures, RFC 7515 §7.2: flattened and general, several signatures, headers not protected.

A signature here binds octets and its protected header. What stands in an unprotected header was written by anybody;
`VerifiedSignature.protected` and `.unprotected` are kept apart for that reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Any

from admit.errors import (
    AlgorithmError,
    CriticalHeaderError,
    InvalidKeyError,
    KeyNotFoundError,
    MalformedTokenError,
    SignatureError,
    TokenError,
)
from admit.jose import base64url, json, jws, serialisation
from admit.jose import header as rules
from admit.jose.jwk import JWK
from admit.jose.jwks import JWKSet

MAX_JSON = 262_144
"""Octets of a whole JSON serialisation."""
MAX_SIGNATURES = 16
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_VERIFIED = object()


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signs, with what its headers add: `protected` is signed too, `unprotected` is not.

    `alg` and `kid` come from the key, into the protected header unless `alg_protected=False` puts both into the
    other one (RFC 7520 §4.7), where nobody is kept from changing them.
    """

    key: JWK
    typ: str | None = None
    protected: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    unprotected: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    alg_protected: bool = True


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """One signature that holds, and the key under which it does."""

    protected: Mapping[str, Any]
    unprotected: Mapping[str, Any]
    key: JWK


@dataclass(frozen=True, slots=True)
class VerifiedJson:
    """A payload and the signatures that were verified, never none. Only `verify_json` makes one."""

    payload: bytes = field(repr=False)
    signatures: tuple[VerifiedSignature, ...]
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        if proof is not _VERIFIED:
            raise SignatureError("only verification makes a VerifiedJson")


def sign_json(
    payload: bytes,
    signers: Signer | JWK | Sequence[Signer | JWK],
    *,
    detached: bool = False,
    unencoded: bool = False,
) -> dict[str, Any]:
    """Sign octets, RFC 7515 §7.2. One signer given by itself makes the flattened form, a sequence the general one.

    `detached` leaves `payload` out (RFC 7515 Appendix F). `unencoded` signs the octets as they are, RFC 7797; they
    must then be text unless `detached`.

    Raises:
        InvalidKeyError: no signer, too many, or a key that may not sign.
        MalformedTokenError: a header that repeats what the key decides, or a payload that is no text.
    """
    alone = isinstance(signers, Signer | JWK)
    given: Sequence[Signer | JWK] = [signers] if isinstance(signers, Signer | JWK) else signers
    if not isinstance(given, Sequence) or not 1 <= len(given) <= MAX_SIGNATURES:
        raise InvalidKeyError("1 to 16 signers sign a JSON serialisation")
    jws.check_octets(payload)
    signed = [_sign(payload, one if isinstance(one, Signer) else Signer(one), unencoded) for one in given]
    result: dict[str, Any] = {}
    if not detached:
        result["payload"] = _shown(payload, unencoded)
    result |= signed[0] if alone else {"signatures": signed}
    serialisation.check(result, MAX_JSON)
    return result


def _shown(payload: bytes, unencoded: bool) -> str:
    if not unencoded:
        return base64url.encode(payload).decode("ascii")
    try:
        return payload.decode("utf-8", "strict")
    except UnicodeDecodeError:
        pass  # said below, without the payload in the error's context
    raise MalformedTokenError("an unencoded payload in JSON is UTF-8 text: detach it")


def _sign(payload: bytes, signer: Signer, unencoded: bool) -> dict[str, Any]:
    key = signer.key
    jws.check_signs(key)
    rules.check_written(signer.protected, signer.unprotected, typ=signer.typ)
    if key.signer is None:
        raise InvalidKeyError("the key may not sign")
    own: dict[str, Any] = {"alg": key.alg} | ({} if key.kid is None else {"kid": key.kid})
    if (signer.protected.keys() | signer.unprotected.keys()) & jws.OWN_MEMBERS:
        raise MalformedTokenError("the header repeats a member that the key or typ decides")
    protected: dict[str, Any] = dict(own) if signer.alg_protected else {}
    if signer.typ is not None:
        protected["typ"] = signer.typ
    if unencoded:
        protected |= {"b64": False, "crit": ["b64"]}
    protected |= signer.protected
    unprotected = dict(signer.unprotected) if signer.alg_protected else own | dict(signer.unprotected)
    if protected.keys() & unprotected.keys():
        raise MalformedTokenError("a member stands in both headers")
    try:
        head = base64url.encode(json.dumps_object(protected)) if protected else b""
        json.dumps_object(unprotected)
    except ValueError:
        raise MalformedTokenError("the header is not JSON") from None
    if len(head) > base64url.encoded_length(jws.MAX_HEADER):
        raise MalformedTokenError("the header is too large")
    body = payload if unencoded else base64url.encode(payload)
    signature = base64url.encode(key.signer(head + b"." + body)).decode("ascii")
    result: dict[str, Any] = {"protected": head.decode("ascii")} if protected else {}
    if unprotected:
        result["header"] = unprotected
    return result | {"signature": signature}


def verify_json(
    data: str | bytes | Mapping[str, Any],
    key: JWK | JWKSet,
    *,
    payload: bytes | None = None,
    unencoded: bool = False,
    every: bool = False,
) -> VerifiedJson:
    """Verify a JSON serialisation, RFC 7515 §5.2, with a trusted key or set.

    Of several signatures those count that are by a trusted key, and at least one has to be there; each key counts once,
    by its thumbprint. One that names a trusted key by its `kid` and does not hold refuses the whole. `every` demands
    that all of them hold.
    `payload` is given where it was detached. `unencoded` takes RFC 7797's `b64: false`, and only that.

    Raises:
        MalformedTokenError: not a strict JSON serialisation, or of more than 256 KiB or 16 signatures.
        CriticalHeaderError: a critical member that is not understood.
        AlgorithmError, KeyNotFoundError: no signature is by a trusted key.
        SignatureError: a signature does not hold.
    """
    members = serialisation.read(data, MAX_JSON)
    octets, body = _payload(members, payload, unencoded)
    entries = _signatures(members)
    alone = len(entries) == 1
    verified: list[VerifiedSignature] = []
    passed_over: list[TokenError] = []
    for entry in entries:
        try:
            found = _verify(entry, body, key, unencoded=unencoded, alone=alone)
        except _ForeignError as error:
            if alone or every:
                raise error.why from None
            passed_over.append(error.why)
        else:
            # Who signs twice counts once, under whatever names and algorithms the key stands in the set.
            if all(found.key.thumbprint() != one.key.thumbprint() for one in verified):
                verified.append(found)
    if not verified:
        raise next((one for one in passed_over if isinstance(one, SignatureError)), passed_over[0])
    return VerifiedJson(octets, tuple(verified), _VERIFIED)


class _ForeignError(Exception):
    """An entry that may well be somebody else's: the others count without it."""

    def __init__(self, why: TokenError) -> None:
        super().__init__()
        self.why = why


def _verify(entry: Any, body: bytes, key: JWK | JWKSet, *, unencoded: bool, alone: bool) -> VerifiedSignature:
    """One signature, by a trusted key. What names that key by its `kid` and does not hold refuses the whole."""
    try:
        protected, unprotected, head, signature = _read(entry, unencoded)
        members = {**unprotected, **protected}
        chosen = jws.choose_key(members, key)
        named = members.get("kid")
        if not alone and named is not None and chosen.kid is not None and named != chosen.kid:
            raise KeyNotFoundError("the signature is by a key of another kid")
    except (AlgorithmError, CriticalHeaderError, KeyNotFoundError, MalformedTokenError) as error:
        raise _ForeignError(error) from None
    try:
        jws.check_signature(chosen, head + b"." + body, signature)
    except SignatureError as error:
        if named is None or chosen.kid is None:
            raise _ForeignError(error) from None
        raise
    return VerifiedSignature(MappingProxyType(protected), MappingProxyType(unprotected), chosen)


def _payload(members: Mapping[str, Any], given: bytes | None, unencoded: bool) -> tuple[bytes, bytes]:
    """The payload, and the octets of it that were signed."""
    if given is not None:
        if "payload" in members:
            raise MalformedTokenError("the payload is there twice")
        jws.check_octets(given)
        return given, given if unencoded else base64url.encode(given)
    inside = members.get("payload")
    if not isinstance(inside, str):
        raise MalformedTokenError("payload is missing or not a string")
    raw = inside.encode()
    return (raw, raw) if unencoded else (base64url.decode(raw), raw)


def _signatures(members: Mapping[str, Any]) -> Sequence[Any]:
    if "signatures" not in members:
        return [members]
    if members.keys() & {"signature", "protected", "header"}:
        raise MalformedTokenError("flattened and general form are mixed")
    entries = members["signatures"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_SIGNATURES:
        raise MalformedTokenError("signatures is not a list of 1 to 16")
    return entries


def _read(entry: Any, unencoded: bool) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    if not isinstance(entry, dict):
        raise MalformedTokenError("a signature is not an object")
    head, signature, unprotected = entry.get("protected", ""), entry.get("signature"), entry.get("header", {})
    if not isinstance(head, str) or not isinstance(signature, str) or not isinstance(unprotected, dict):
        raise MalformedTokenError("a member of a signature has the wrong type")
    if "protected" in entry and not head:
        raise MalformedTokenError("an empty protected header is left out")
    raw = head.encode()
    protected = jws.read_header(raw) if head else {}
    if protected.keys() & unprotected.keys():
        raise MalformedTokenError("a member stands in both headers")
    if unprotected.keys() & {"crit", "b64"}:
        raise MalformedTokenError("crit and b64 are protected or nowhere")
    rules.check_header({**unprotected, **protected}, b64=not unencoded)
    return protected, unprotected, raw, base64url.decode(signature.encode())
