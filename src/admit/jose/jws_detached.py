"""Compact signatures of octets that travel apart, RFC 7515 Appendix F, encoded or as they are (RFC 7797)."""

from collections.abc import Mapping
from typing import Any

from admit.errors import InvalidKeyError, MalformedTokenError
from admit.jose import base64url, jws
from admit.jose import header as rules
from admit.jose.jwk import JWK
from admit.jose.jwks import JWKSet
from admit.jose.jws import VerifiedJws


def sign_detached(
    payload: bytes,
    key: JWK,
    *,
    typ: str | None = None,
    header: Mapping[str, Any] | None = None,
    unencoded: bool = False,
) -> str:
    """Sign octets that are sent elsewhere; the middle part of the token is empty. `payload` may be of any size.

    `unencoded` signs them as they are, which saves encoding a large body, RFC 7797 §3.

    Raises:
        InvalidKeyError, MalformedTokenError: as `jws.sign`.
    """
    jws.check_signs(key)
    jws.check_octets(payload)
    if key.signer is None:
        raise InvalidKeyError("the key may not sign")
    head = jws.encode_header(key, typ, header or {}, unencoded=unencoded)
    body = payload if unencoded else base64url.encode(payload)
    return f"{head.decode('ascii')}..{base64url.encode(key.signer(head + b'.' + body)).decode('ascii')}"


def verify_detached(
    token: str | bytes, payload: bytes | None, key: JWK | JWKSet, *, unencoded: bool = False
) -> VerifiedJws:
    """Verify a compact token whose middle part is empty against octets that came elsewhere.

    `unencoded` takes RFC 7797's `b64: false`, and only that: a token cannot choose how it is read. With it `payload`
    may be None: then the octets stand in the token as they are, without a dot (RFC 7797 §5.2).

    Raises:
        MalformedTokenError: not such a token, or the payload is in it.
        CriticalHeaderError, AlgorithmError, KeyNotFoundError, SignatureError: as `jws.verify`.
    """
    head, middle, signature = _split(token)
    if bool(middle) is (payload is not None) or (middle and not unencoded):
        raise MalformedTokenError("the payload is not where it was said to be")
    octets = middle if payload is None else payload
    jws.check_octets(octets)
    members = jws.read_header(head)
    rules.check_header(members, b64=not unencoded)
    chosen = jws.choose_key(members, key)
    body = octets if unencoded else base64url.encode(octets)
    jws.check_signature(chosen, head + b"." + body, base64url.decode(signature))
    return jws.verified(members, octets)


def _split(token: str | bytes) -> tuple[bytes, bytes, bytes]:
    parts = jws.octets_of(token, jws.MAX_TOKEN).split(b".")
    if len(parts) != 3:
        raise MalformedTokenError("not three parts")
    return parts[0], parts[1], parts[2]
