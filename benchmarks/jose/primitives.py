"""The bare primitive under each algorithm: what a program pays that holds the key and the octets, and checks nothing.

Signatures are in the primitive's own form (DER for ECDSA), so that what JOSE adds to it counts as cost.
"""

import hmac
from collections.abc import Callable
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from admit import JWK

HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}


class Bare(NamedTuple):
    """A call of the primitive in both directions; `text` is the statement that is timed."""

    verify: str
    sign: str
    names: dict[str, Any]


def bare(key: JWK, data: bytes) -> Bare:
    """For HMAC both directions are `hmac.digest`, by which others are measured too."""
    private: Any = key._material.private
    public: Any = key._material.public
    names: dict[str, Any] = {"data": data}
    if key.kty == "oct":
        names |= {"digest": hmac.digest, "secret": private, "name": f"sha{key.alg[2:]}"}
        return Bare("digest(secret, data, name)", "digest(secret, data, name)", names)
    sign: Callable[..., bytes] = private.sign
    names |= {"sign": sign, "verify": public.verify}
    if key.kty == "RSA":
        algorithm = HASHES[key.alg[2:]]
        scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        if key.alg.startswith("PS"):
            scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        names |= {"scheme": scheme, "algorithm": algorithm, "signature": sign(data, scheme, algorithm)}
        return Bare("verify(signature, data, scheme, algorithm)", "sign(data, scheme, algorithm)", names)
    if key.kty == "EC":
        scheme_ec = ec.ECDSA(HASHES["256" if key.alg == "ES256K" else key.alg[2:]])
        names |= {"scheme": scheme_ec, "signature": sign(data, scheme_ec)}
        return Bare("verify(signature, data, scheme)", "sign(data, scheme)", names)
    names["signature"] = sign(data)
    return Bare("verify(signature, data)", "sign(data)", names)
