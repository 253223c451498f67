"""Keys, signatures and encryption: octets in, verified values out. Pure: no clock, no network.

Compact forms are `jws.sign`, `jws.verify`, `jwe.encrypt`, `jwe.decrypt`; JSON forms `sign_json`, `verify_json`,
`encrypt_json`, `decrypt_json`; payloads that travel apart `sign_detached`, `verify_detached`. Claims are the business
of `admit.jwt`. RFC 7515, 7516, 7517, 7518, 7519, 7638, 7797, 8037, 9278, 9864, 9964.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from admit.jose import base64url, claims, json, jws
from admit.jose.algorithms import JWS_ALGS, JwsAlg
from admit.jose.claims import ClaimPolicy
from admit.jose.jwk import JWK
from admit.jose.jwks import JWKSet
from admit.jose.jws import UnverifiedJws, VerifiedJws, peek_unverified_claims, peek_unverified_header
from admit.jose.waive import Waive

if TYPE_CHECKING:
    from admit.jose import jwe
    from admit.jose.jwe import DecryptedJwe
    from admit.jose.jwe_json import DecryptedJson, Recipient, decrypt_json, encrypt_json
    from admit.jose.jws_detached import sign_detached, verify_detached
    from admit.jose.jws_json import Signer, VerifiedJson, VerifiedSignature, sign_json, verify_json

__all__ = [
    "JWK",
    "JWS_ALGS",
    "ClaimPolicy",
    "DecryptedJson",
    "DecryptedJwe",
    "JWKSet",
    "JwsAlg",
    "Recipient",
    "Signer",
    "UnverifiedJws",
    "VerifiedJson",
    "VerifiedJws",
    "VerifiedSignature",
    "Waive",
    "base64url",
    "claims",
    "decrypt_json",
    "encrypt_json",
    "json",
    "jwe",
    "jws",
    "peek_unverified_claims",
    "peek_unverified_header",
    "sign_detached",
    "sign_json",
    "verify_detached",
    "verify_json",
]

# Most programs sign and verify compact tokens; the rest is loaded when it is first used.
_HOME = {
    "DecryptedJwe": "admit.jose.jwe",
    "DecryptedJson": "admit.jose.jwe_json",
    "Recipient": "admit.jose.jwe_json",
    "decrypt_json": "admit.jose.jwe_json",
    "encrypt_json": "admit.jose.jwe_json",
    "sign_detached": "admit.jose.jws_detached",
    "verify_detached": "admit.jose.jws_detached",
    "Signer": "admit.jose.jws_json",
    "VerifiedJson": "admit.jose.jws_json",
    "VerifiedSignature": "admit.jose.jws_json",
    "sign_json": "admit.jose.jws_json",
    "verify_json": "admit.jose.jws_json",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use, PEP 562."""
    if name == "jwe":
        return import_module("admit.jose.jwe")
    if name not in _HOME:
        raise AttributeError(f"module 'admit.jose' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
