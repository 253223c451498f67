"""What the token library would be without its defences: the mistakes of libraries before it."""

import base64
import json
import zlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hmac import HMAC

from admit.jose.jwk import JWK


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Let everything pass."""


def _forms(public: Any) -> list[bytes]:
    """The texts of a public key that a confused library takes for an HMAC secret."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    found = [
        public.public_bytes(encoding, spki)
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
    ]
    if hasattr(public, "curve"):
        found.append(
            public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        )
    return found


def _token_decides(members: Mapping[str, Any], key: Any) -> Any:
    """The token brings its key in `jwk`, or its `alg` makes the public key an HMAC secret."""
    if "jwk" in members:
        return JWK.load(members["jwk"])
    if members["alg"] == "HS256" and not key.is_private:
        secrets = [*_forms(key._material.public), json.dumps(key.to_dict()).encode()]

        def verify(signature: bytes, data: bytes) -> None:
            for secret in secrets:
                mac = HMAC(secret, hashes.SHA256())
                mac.update(data)
                if mac.finalize() == signature:
                    return
            raise InvalidSignature

        return SimpleNamespace(verifier=verify)
    return key


def _first_key(self: Any, kid: str | None, alg: str) -> Any:
    """Any key of the set will do."""
    return next(iter(self))


def _loose_base64(data: bytes) -> bytes:
    """Skip what is not of the alphabet, and forget the bits left over."""
    kept = bytes(octet for octet in data if chr(octet).isalnum() or octet in b"+/")
    return base64.b64decode(kept + b"=" * (-len(kept) % 4))


def _loose_split(token: Any, *, max_size: int = 0) -> tuple[Any, bytes, bytes, bytes]:
    """Take JSON forms, and the first three parts of any number."""
    text = token if isinstance(token, str) else token.decode()
    if text.startswith("{"):
        form = json.loads(text)
        text = f"{form['protected']}.{form['payload']}.{form['signature']}"
    head, body, tail = [*text.split("."), "", "", ""][:3]
    decode = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))  # noqa: E731 - three uses, one line
    return json.loads(decode(head) or "{}"), decode(body), f"{head}.{body}".encode(), decode(tail)


def _loose_json(data: bytes, *, max_size: int = 0) -> Any:
    """The standard library with all its kindness."""
    for encoding in ("utf-8-sig", "utf-16"):
        try:
            return json.loads(data.decode(encoding, "replace" if encoding == "utf-16" else "surrogateescape"))
        except ValueError:
            continue
    return {}


def _any_header(encoded: bytes) -> Any:
    """However long it is."""
    return json.loads(_loose_base64(encoded.translate(bytes.maketrans(b"-_", b"+/"))))


def _inflate_all(data: bytes, limit: int) -> bytes:
    return zlib.decompress(data, -zlib.MAX_WBITS)


def _any_sender(header: Any, own: Any) -> Any:
    """Whatever `epk` says, the message is read with a key of our own making: nothing about it is looked at."""
    return own.public


def _no_bill(header: Any, spent: int) -> int:
    return 0


def _any_ecdsa(signature: bytes, size: int, order: bytes) -> bytes:
    """The DER form too, and whatever stands behind the two numbers."""
    try:
        decode_dss_signature(signature)
    except ValueError:
        r, s = signature[:size], signature[size : 2 * size]
        return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    return signature


TWINS: dict[str, Any] = {
    "admit.jose.algorithms:read_ecdsa": _any_ecdsa,
    "admit.jose.header:check_alg": _nothing,
    "admit.jose.header:check_header": _nothing,
    "admit.jose.header:check_kid": _nothing,
    "admit.jose.header:check_crit": _nothing,
    "admit.jose.header:check_b64": _nothing,
    "admit.jose.jws:check_signature": _nothing,
    "admit.jose.jws:choose_key": _token_decides,
    "admit.jose.jws:split": _loose_split,
    "admit.jose.jwks:JWKSet.find": _first_key,
    "admit.jose.binding:check_suits": _nothing,
    "admit.jose.binding:check_purpose": _nothing,
    "admit.jose.material.rsa:check_rsa_size": _nothing,
    "admit.jose.material.rsa:check_rsa_origin": _nothing,
    "admit.jose.material.rsa:check_primes": _nothing,
    "admit.jose.small_order:check_ed25519_point": _nothing,
    "admit.jose.small_order:check_ed448_point": _nothing,
    "admit.jose.encrypted_claims:check_nested": _nothing,
    "admit.jose.encrypted_claims:check_shared": _nothing,
    "admit.jose.key_management:check_iterations": _nothing,
    "admit.jose.jwe_json:check_work": _no_bill,
    "admit.jose.key_management:sender": _any_sender,
    "admit.jose.jwe:inflate": _inflate_all,
    "admit.jose.secret_check:check_no_public_key": _nothing,
    "admit.jose.secret_check:check_entropy": _nothing,
    "admit.jose.base64url:decode_translated": _loose_base64,
    "admit.jose.json:loads_object": _loose_json,
    "admit.jose.claims:check_typ": _nothing,
    "admit.jose.claims:check_types": _nothing,
    "admit.jose.claims:check_issuer": _nothing,
    "admit.jose.claims:check_audience": _nothing,
    "admit.jose.claims:check_times": _nothing,
    "admit.jose.claims:check_moment": _nothing,
    "admit.jose.json:decode_any": msgspec.json.Decoder(Any).decode,
    "admit.jose.jws:read_header": _any_header,
}
