"""Compact JSON Web Signatures, RFC 7515 §7.1. Nothing is verified until every rule of form has passed."""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import InvalidSignature

from admit.errors import (
    ConfigError,
    InvalidKeyError,
    KeyNotFoundError,
    MalformedTokenError,
    SignatureError,
)
from admit.jose import base64url, json
from admit.jose import header as rules
from admit.jose.jwk import JWK
from admit.jose.jwks import JWKSet

MAX_TOKEN = 16_384
"""Octets of a whole token."""
MAX_HEADER = 8_192
"""Octets of a protected header: it is read before anything is verified, and a chain of certificates fits."""
_MAX_PREPARED = 16
OWN_MEMBERS = frozenset({"alg", "kid", "typ", "crit", "b64"})
"""Header members that the key, `typ` and the form decide, so that no caller adds them."""
_PARSED, _VERIFIED = object(), object()
# Headers of verified tokens by their encoding, so that the header all tokens of an issuer share is read once. It
# holds nothing that was trusted: each entry is the only reading of its text. Strangers cannot fill it.
_MAX_KNOWN = 256
_MAX_KNOWN_SIZE = 512
known: dict[bytes, Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class UnverifiedJws:
    """A well-formed token that nobody has verified. Its content is anybody's claim. Only `parse` makes one.

    So header and payload are those of the octets that a signature is held against.
    """

    header: Mapping[str, Any]
    payload_bytes: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        if proof is not _PARSED:
            raise MalformedTokenError("only parsing makes an UnverifiedJws")


@dataclass(frozen=True, slots=True)
class VerifiedJws:
    """A token whose signature holds under the key asked for. Only `verify` makes one, and no copy with changes."""

    header: Mapping[str, Any]
    payload: bytes = field(repr=False)
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        if proof is not _VERIFIED:
            raise SignatureError("only verification makes a VerifiedJws")


def sign(
    payload: bytes,
    key: JWK,
    *,
    typ: str | None = None,
    header: Mapping[str, Any] | None = None,
    max_size: int = MAX_TOKEN,
) -> str:
    """Sign octets, RFC 7515 §5.1. The header has the key's `alg` and `kid`, `typ`, and what `header` adds.

    `max_size` bounds the octets of the whole token; only a status list is ever larger than the default.

    Raises:
        InvalidKeyError: the key may not sign.
        MalformedTokenError: `header` repeats `alg`, `kid`, `typ`, `crit` or `b64`, or is not JSON; too large.
        ConfigError: `max_size` is no number of octets.
    """
    check_bound(max_size)
    protected = encoded_header(key, typ) if not header else encode_header(key, typ, header)
    return sign_encoded(protected, payload, key, max_size=max_size)


def sign_encoded(protected: bytes, payload: bytes, key: JWK, *, max_size: int = MAX_TOKEN) -> str:
    """Sign under a header that is encoded already (`encoded_header`)."""
    signer = key.signer
    if signer is None:
        raise InvalidKeyError("the key may not sign")
    try:
        signing_input = protected + b"." + base64url.encode(payload)
    except TypeError:
        raise MalformedTokenError("what is signed are octets") from None
    token = signing_input + b"." + base64url.encode(signer(signing_input))
    if len(token) > max_size:
        raise MalformedTokenError("the token is too large")
    return token.decode("ascii")


def encoded_header(key: JWK, typ: str | None) -> bytes:
    """The encoded header of a key's tokens of one `typ`, made once."""
    check_signs(key)
    try:
        prepared = key._headers.get(typ)
    except TypeError:
        raise MalformedTokenError("typ is not a string") from None
    if prepared is None:
        prepared = encode_header(key, typ, {})
        if len(key._headers) < _MAX_PREPARED:
            key._headers[typ] = prepared
    return prepared


def encode_header(key: JWK, typ: str | None, extra: Mapping[str, Any], *, unencoded: bool = False) -> bytes:
    """The encoded header of one token, with members of the caller's own; `unencoded` adds RFC 7797's `b64`."""
    check_signs(key)
    if not isinstance(extra, Mapping):
        raise MalformedTokenError("the header is a mapping")
    if OWN_MEMBERS & extra.keys():
        raise MalformedTokenError("the header repeats a member that the key or typ decides")
    members: dict[str, Any] = {"alg": key.alg}
    if typ is not None and not isinstance(typ, str):
        raise MalformedTokenError("typ is not a string")
    if typ is not None:
        members["typ"] = typ
    if key.kid is not None:
        members["kid"] = key.kid
    if unencoded:
        members |= {"b64": False, "crit": ["b64"]}
    try:
        written = json.dumps_object({**members, **extra})
    except ValueError:
        raise MalformedTokenError("the header is not JSON") from None
    if len(written) > MAX_HEADER:
        raise MalformedTokenError("the header is too large")
    return base64url.encode(written)


def read_header(encoded: bytes) -> dict[str, Any]:
    """The members of a protected header. What they may be is asked next (`header.check_header`).

    Raises:
        MalformedTokenError: beyond `MAX_HEADER`, not canonical base64url, or no strict JSON object.
    """
    if len(encoded) > base64url.encoded_length(MAX_HEADER):
        raise MalformedTokenError("the header is too large")
    return json.loads_object(base64url.decode(encoded))


def check_bound(max_size: int) -> None:
    """Refuse a bound that bounds nothing.

    Raises:
        ConfigError: no number of octets.
    """
    if not isinstance(max_size, int) or isinstance(max_size, bool) or max_size < 0:
        raise ConfigError("max_size is a number of octets")


def check_signs(key: JWK) -> None:
    """Refuse what is no key, before anything of it is read. Whether it may sign is asked later.

    Raises:
        InvalidKeyError: it is not a JWK.
    """
    if not isinstance(key, JWK):
        raise InvalidKeyError("a key is a JWK")


def check_octets(payload: bytes) -> None:
    """Refuse text where octets are signed or encrypted: which encoding is meant is not ours to guess.

    Raises:
        MalformedTokenError: it is not bytes.
    """
    if not isinstance(payload, bytes):
        raise MalformedTokenError("a payload is octets")


def size(payload_octets: int, key: JWK, *, typ: str | None) -> int:
    """Octets that the token of such a payload will have, known before it is signed."""
    head = len(encoded_header(key, typ))
    return head + base64url.encoded_length(payload_octets) + base64url.encoded_length(key.signature_size) + 2


def parse(token: str | bytes, *, max_size: int = MAX_TOKEN) -> UnverifiedJws:
    """Read a compact token by the strict rules and verify nothing, RFC 7515 §5.2 steps 1 to 7.

    Raises:
        MalformedTokenError: more than `max_size` octets, not three parts, not canonical base64url, a header
            that is no strict JSON object or has members of wrong types.
        CriticalHeaderError: `crit` or `b64` is in the header.
        ConfigError: `max_size` is no number of octets.
    """
    check_bound(max_size)
    members, payload, signing_input, signature = split(token, max_size=max_size)
    return UnverifiedJws(read_only(members), payload, signing_input, signature, _PARSED)


def split(token: str | bytes, *, max_size: int = MAX_TOKEN) -> tuple[Mapping[str, Any], bytes, bytes, bytes]:
    """Header, payload, signing input and signature of a well-formed token."""
    token = octets_of(token, max_size)
    parts = token.split(b".")
    if len(parts) != 3:
        raise MalformedTokenError("not three parts")
    head, body, tail = parts
    members: Mapping[str, Any] | None = known.get(head)
    if members is None:
        members = read_header(head)
        rules.check_header(members)
    payload = base64url.decode(body)
    return members, payload, token[: -1 - len(tail)], base64url.decode(tail)


def octets_of(token: str | bytes, max_size: int) -> bytes:
    """The octets of a compact token.

    Raises:
        MalformedTokenError: neither text nor octets, text that is not ASCII, or more than `max_size`.
    """
    if isinstance(token, str):
        if not token.isascii():  # asked, since the error of encoding it would hold the token
            raise MalformedTokenError("not ASCII")
    elif not isinstance(token, bytes):
        raise MalformedTokenError("a token is str or bytes")
    if len(token) > max_size:
        raise MalformedTokenError("the token is too large")
    return token.encode() if isinstance(token, str) else token


def read_only(members: Mapping[str, Any]) -> Mapping[str, Any]:
    """A header for those who may look at it; the same kind of value, whether it was read now or known before."""
    return MappingProxyType(members) if members.__class__ is dict else members


def remember(members: Mapping[str, Any], signing_input: bytes) -> None:
    """Keep a verified token's header, when it is plain `alg`, `kid` and `typ` in the one compact spelling."""
    head = signing_input.partition(b".")[0]
    if head in known:
        return
    plain = members.keys() <= {"alg", "kid", "typ"} and all(type(value) is str for value in members.values())
    if not plain or len(head) > _MAX_KNOWN_SIZE or base64url.encode(json.dumps_object(members)) != head:
        return
    if len(known) >= _MAX_KNOWN:
        known.clear()
    known[head] = MappingProxyType(dict(members))


def choose_key(members: Mapping[str, Any], key: JWK | JWKSet) -> JWK:
    """The key that the caller trusts for this header: the one given, or the set's by `kid` and `alg`."""
    if isinstance(key, JWK):
        rules.check_alg(members["alg"], key.alg)
        return key
    if isinstance(key, JWKSet):
        chosen = key.find(members.get("kid"), members["alg"])
        rules.check_alg(members["alg"], chosen.alg)
        if chosen.verifier is None:  # the token chose it, so this says something of the token
            raise KeyNotFoundError("no key of that kid and alg verifies")
        return chosen
    raise InvalidKeyError("a key is a JWK or a JWKSet")


def check_signature(key: JWK, signing_input: bytes, signature: bytes) -> None:
    """Verify with the key's own algorithm, RFC 7515 §5.2 step 8.

    Raises:
        SignatureError: it does not hold.
        InvalidKeyError: the key's `key_ops` do not let it verify.
    """
    verifier = key.verifier
    if verifier is None:
        raise InvalidKeyError("the key may not verify")
    try:
        verifier(signature, signing_input)
    except (InvalidSignature, ValueError):
        raise SignatureError("the signature does not verify") from None


def verify(token: str | bytes | UnverifiedJws, key: JWK | JWKSet) -> VerifiedJws:
    """Verify a compact token with a trusted key, RFC 7515 §5.2. Claims and `typ` are not looked at.

    With a single `JWK` the header's `kid` plays no part: the caller chose the key already.

    Raises:
        MalformedTokenError, CriticalHeaderError: as `parse`.
        AlgorithmError: `alg` is not the key's.
        KeyNotFoundError: the set has no such `kid`, or none tells which of several keys is meant.
        SignatureError: the signature does not hold.
    """
    jws = token if isinstance(token, UnverifiedJws) else parse(token)
    chosen = choose_key(jws.header, key)
    check_signature(chosen, jws.signing_input, jws.signature)
    remember(jws.header, jws.signing_input)
    return VerifiedJws(jws.header, jws.payload_bytes, _VERIFIED)


def verified(header: Mapping[str, Any], payload: bytes) -> VerifiedJws:
    """What a verified token says. For the forms of this package, after `check_signature`."""
    return VerifiedJws(read_only(header), payload, _VERIFIED)


def peek_unverified_header(token: str | bytes) -> dict[str, Any]:
    """The header of a token that nobody has verified; for choosing a key, never for trusting anything.

    Raises:
        MalformedTokenError, CriticalHeaderError: as `parse`.
    """
    return dict(split(token)[0])


def peek_unverified_claims(token: str | bytes) -> dict[str, Any]:
    """The claims of a token that nobody has verified; only for choosing the issuer whose keys are asked.

    Raises:
        MalformedTokenError, CriticalHeaderError: as `parse`, or the payload is no strict JSON object.
    """
    return json.loads_object(split(token)[1])
