"""Keys and signatures: octets in, verified values out. Pure: no clock, no network.

RFC 7515, 7517, 7518, 7519, 7638, 8037, 9864.
"""

from admit.jose import base64url, claims, json, jws
from admit.jose.algorithms import JWS_ALGS, JwsAlg
from admit.jose.claims import ClaimPolicy
from admit.jose.jwk import JWK
from admit.jose.jwks import JWKSet
from admit.jose.jws import UnverifiedJws, VerifiedJws, peek_unverified_claims, peek_unverified_header
from admit.jose.waive import Waive

__all__ = [
    "JWK",
    "JWS_ALGS",
    "ClaimPolicy",
    "JWKSet",
    "JwsAlg",
    "UnverifiedJws",
    "VerifiedJws",
    "Waive",
    "base64url",
    "claims",
    "json",
    "jws",
    "peek_unverified_claims",
    "peek_unverified_header",
]
