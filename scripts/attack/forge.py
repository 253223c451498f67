"""Tokens that nobody should believe: signed by nobody, by a stranger, or truly signed and wrong in one claim."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from admit import JWK
from admit.issuer import Issuer, Settings


def encode(value: Mapping[str, Any] | bytes) -> str:
    """base64url of octets, or of a JSON object."""
    octets = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Header and claims of a JWT, unchecked, and its signature."""
    header, claims, signature = token.split(".")
    read = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (header, claims)]
    return read[0], read[1], signature


def unsigned(header: Mapping[str, Any], claims: Mapping[str, Any], signature: str = "") -> str:
    """With whatever stands for a signature."""
    return f"{encode(header)}.{encode(claims)}.{signature}"


def maced(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    """With an HMAC-SHA256."""
    data = f"{encode(header)}.{encode(claims)}"
    return f"{data}.{encode(hmac.digest(secret, data.encode(), hashlib.sha256))}"


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: JWK) -> str:
    """With a true ES256 signature."""
    data = f"{encode(header)}.{encode(claims)}"
    private = load_pem_private_key(key.to_pem(private=True), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(private.sign(data.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{data}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@cache
def stranger() -> JWK:
    """A key that no issuer has."""
    return JWK.generate("ES256")


def keys_of(config: str) -> dict[str, JWK]:
    """The issuer's active private keys by `kid`, as its settings lead to them. Reads its database, changes nothing.

    Raises:
        AdmitError: the settings or the database cannot be read.
    """

    async def read() -> dict[str, JWK]:
        issuer = Issuer(Settings.load(config))
        async with issuer.opened():
            signers = (await issuer.keys.refresh(time.time())).signers
        return {key.kid: key for key in signers.values() if key.kid is not None}

    return asyncio.run(read())
