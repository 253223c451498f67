"""Tokens that nobody should believe, for the threats against JWTs."""

import json
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.hmac import HMAC

from admit import JWK, JWKSet, jwt
from admit.jose import JWS_ALGS, base64url

NOW = 1_800_000_000.0
ISS, API = "https://id.example.com", "https://api.example.com"
GOOD = {"iss": ISS, "sub": "alice", "aud": API, "iat": int(NOW), "exp": int(NOW) + 300}
LIFETIME = timedelta(minutes=5)
KEYS = {alg: JWK.generate(alg) for alg in JWS_ALGS}


def public(alg: str) -> JWK:
    """What a verifier of that algorithm holds."""
    key = KEYS[alg]
    return key if key.kty == "oct" else key.public()


def spki(alg: str, encoding: str) -> bytes:
    """The published form of a public key."""
    found: bytes = KEYS[alg]._material.public.public_bytes(
        getattr(serialization.Encoding, encoding), serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found


def forged(
    header: dict[str, Any] | bytes,
    claims: dict[str, Any] | bytes,
    signature: bytes = b"",
    *,
    secret: bytes | None = None,
) -> str:
    """A token of any header and claims, with that signature or MACed with `secret`."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    data = b".".join(map(base64url.encode, parts))
    if secret is not None:
        mac = HMAC(secret, hashes.SHA256())
        mac.update(data)
        signature = mac.finalize()
    return (data + b"." + base64url.encode(signature)).decode()


def signed(header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes) -> str:
    """Any header and claims with a true signature of the HS256 key."""
    return forged(header, claims, secret=KEYS["HS256"]._material.private)


def reads(token: str | bytes, key: JWK | JWKSet, **changed: Any) -> dict[str, Any]:
    """What a careful API does."""
    return jwt.verify(token, key, **{"issuer": ISS, "audience": API, "now": NOW, **changed})
